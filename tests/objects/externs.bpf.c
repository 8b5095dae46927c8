/* Externs: configuration, kernel functions and variables, weak ones. */
#include "bpf.h"

typedef _Bool bool;
enum libbpf_tristate { TRI_NO, TRI_YES, TRI_MODULE };

extern int LINUX_KERNEL_VERSION KCONFIG;
extern bool CONFIG_BPF KCONFIG;
extern enum libbpf_tristate CONFIG_IPV6 KCONFIG WEAK;
extern u64 CONFIG_HZ KCONFIG WEAK;
extern char CONFIG_LOCALVERSION[20] KCONFIG WEAK;

struct task_struct {
	int pid;
} __attribute__((preserve_access_index));

extern const int bpf_prog_active KSYM;
extern const void jiffies_64 KSYM WEAK;
extern struct task_struct *bpf_task_from_pid(s32 pid) KSYM;
extern void bpf_task_release(struct task_struct *p) KSYM;
extern int bpf_no_such_kfunc(int n) KSYM WEAK;

SEC("tp_btf/task_newtask") int look(u64 *ctx)
{
	struct task_struct *task;
	int sum = LINUX_KERNEL_VERSION + CONFIG_BPF + CONFIG_IPV6 + CONFIG_HZ + CONFIG_LOCALVERSION[1];

	sum += (u64)&bpf_prog_active >> 7;
	sum += (u64)&jiffies_64 >> 7;
	if (bpf_no_such_kfunc)
		sum += bpf_no_such_kfunc(1);
	task = bpf_task_from_pid(1);
	if (task) {
		sum += task->pid;
		bpf_task_release(task);
	}
	return sum;
}

char _license[] SEC("license") = "GPL";
