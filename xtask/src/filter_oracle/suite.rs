//! The tests out of a checkout of libpcap. They are a Perl program that makes them as it runs; here it runs up to where
//! they are made, and prints them instead, one JSON object a line, as if the machine had the host files that they want.

use std::error::Error;
use std::path::Path;
use std::process::Command;

/// What is changed in the program before it runs: no host files are looked for, and tests are printed, not run.
const PATCH: &str = r#"
local $/; open my $in, '<', $ARGV[0] or die "$ARGV[0]: $!"; my $text = <$in>;
$text =~ s/(sub skip_unless_file_contains_lines \{)/$1 return '';/;
$text =~ s/func => \\&run_skip_test/func => 'skip'/g;
$text =~ s/func => \\&run_(?:filter_)?(\w+)_test/func => '$1'/g;
$text =~ s/my \$only_list = 0/my \$only_list = 1/;
$text =~ s/my \$print_skipped = 0/my \$print_skipped = 1/;
$text =~ s/if \(\$only_list\) \{/if (1) {
    my \$json = JSON::PP->new->canonical;
    print \$json->encode({
        func => 'names', hosts => join ("\\n", \@hosts_lines), networks => join ("\\n", \@networks_lines),
        ethers => join ("\\n", \@ethers_lines),
    }), "\\n";
    print \$json->encode(\$_), "\\n" foreach \@ready_to_run;
    exit 0;
/;
print "use JSON::PP;\n", $text;
"#;

/// How the library would be configured on Linux, as far as the tests ask.
const CONFIG: &str = "#define HAVE_GLIBC 1\n#define HAVE_DECL_SKF_AD_VLAN_TAG_PRESENT 1\n";

fn output(command: &mut Command) -> Result<Vec<u8>, Box<dyn Error>> {
    let done = command.output().map_err(|e| format!("perl: {e}"))?;
    if !done.status.success() {
        return Err(format!("perl failed: {}", String::from_utf8_lossy(&done.stderr)).into());
    }
    Ok(done.stdout)
}

/// The tests of a checkout, as lines.
///
/// # Errors
/// If there is no Perl, or the checkout is not one.
pub(super) fn extract(libpcap: &Path) -> Result<String, Box<dyn Error>> {
    let from = libpcap.join("testprogs");
    let room = std::env::temp_dir().join(format!("skep-filter-oracle-{}", std::process::id()));
    std::fs::create_dir_all(&room)?;
    let made = (|| {
        for file in ["TESTlib.pm", "TESTst.pm", "TESTmt.pm"] {
            std::fs::copy(from.join(file), room.join(file)).map_err(|e| format!("{file}: {e}"))?;
        }
        std::fs::write(room.join("config.h"), CONFIG)?;
        let program = output(Command::new("perl").args(["-e", PATCH]).arg(from.join("TESTrun")))?;
        std::fs::write(room.join("tests"), program)?;
        let rows = output(Command::new("perl").arg("tests").current_dir(&room))?;
        Ok(String::from_utf8(rows)?)
    })();
    std::fs::remove_dir_all(&room)?;
    made
}
