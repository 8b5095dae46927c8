//! A validator for the part of JSON Schema that the committed schemas use. An unknown keyword is an error, so that no
//! schema promises what nobody checks.

use serde_json::{Map, Value};

/// Every way in which a value breaks a schema, with its place; none if it keeps it.
pub(crate) fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "$", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Value::Object(keywords) = schema else {
        if schema == &Value::Bool(false) {
            found.push(format!("{at}: must not be there"));
        }
        return;
    };
    for (keyword, want) in keywords {
        match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" | "$defs" => {}
            "$ref" => check(root, resolve(root, want), value, at, found),
            "type" => {
                if !type_names(want).any(|t| is(t, value)) {
                    found.push(format!("{at}: {value} is not {want}"));
                }
            }
            "const" if value != want => found.push(format!("{at}: {value} is not {want}")),
            "enum" if !want.as_array().is_some_and(|all| all.contains(value)) => {
                found.push(format!("{at}: {value} is none of {want}"));
            }
            "const" | "enum" => {}
            "pattern" => pattern(want, value, at, found),
            "minimum" => {
                if value.as_f64().zip(want.as_f64()).is_some_and(|(v, w)| v < w) {
                    found.push(format!("{at}: {value} is less than {want}"));
                }
            }
            "items" => {
                for (n, v) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, want, v, &format!("{at}[{n}]"), found);
                }
            }
            "required" => {
                let names = want.as_array().into_iter().flatten().filter_map(Value::as_str);
                let missing = |n: &&str| value.as_object().is_some_and(|o| !o.contains_key(*n));
                found.extend(names.filter(missing).map(|n| format!("{at}: no `{n}`")));
            }
            "properties" | "additionalProperties" => {}
            other => found.push(format!("{at}: the schema uses `{other}`, which is not checked")),
        }
    }
    if let Value::Object(fields) = value {
        properties(root, keywords, fields, at, found);
    }
}

fn properties(
    root: &Value,
    keywords: &Map<String, Value>,
    fields: &Map<String, Value>,
    at: &str,
    found: &mut Vec<String>,
) {
    for (name, v) in fields {
        let place = format!("{at}.{name}");
        let known = keywords.get("properties").and_then(|p| p.get(name));
        if let Some(s) = known.or_else(|| keywords.get("additionalProperties")) {
            check(root, s, v, &place, found);
        }
    }
}

/// The patterns in use: `^prefix` and `^[chars]*$`.
fn pattern(want: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let (Some(p), Some(text)) = (want.as_str(), value.as_str()) else { return };
    let fits = match p {
        "^[0-9a-f]*$" => text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)),
        "^[0-9a-f ]*$" => text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b) || b == b' '),
        "^[0-9]+[.][0-9]+$" => {
            text.split_once('.').is_some_and(|(a, b)| a.parse::<u32>().is_ok() && b.parse::<u32>().is_ok())
        }
        _ => {
            found.push(format!("{at}: the schema uses the pattern {p}, which is not checked"));
            return;
        }
    };
    if !fits {
        found.push(format!("{at}: {value} does not match {p}"));
    }
}

fn resolve<'a>(root: &'a Value, reference: &Value) -> &'a Value {
    let path = reference.as_str().and_then(|r| r.strip_prefix('#')).expect("references are local");
    root.pointer(path).expect("the reference leads somewhere")
}

fn type_names(want: &Value) -> impl Iterator<Item = &str> {
    let several = want.as_array().into_iter().flatten();
    want.as_str().into_iter().chain(several.filter_map(Value::as_str))
}

fn is(name: &str, v: &Value) -> bool {
    match name {
        "null" => v.is_null(),
        "boolean" => v.is_boolean(),
        "integer" => v.is_i64() || v.is_u64(),
        "number" => v.is_number(),
        "string" => v.is_string(),
        "array" => v.is_array(),
        "object" => v.is_object(),
        _ => false,
    }
}

#[test]
fn breaches_are_found() {
    use serde_json::json;
    let schema = json!({
        "type": "object",
        "required": ["a"],
        "additionalProperties": false,
        "properties": {
            "a": { "$ref": "#/$defs/n" },
            "b": { "type": ["string", "null"], "pattern": "^[0-9a-f]*$" },
            "c": { "type": "array", "items": { "enum": [1, "x"] } }
        },
        "$defs": { "n": { "type": "integer", "minimum": 0 } }
    });
    let of = |v: Value| violations(&schema, &v);
    assert!(of(json!({"a": 1, "b": null, "c": [1, "x"]})).is_empty());
    assert_eq!(of(json!({})), ["$: no `a`"]);
    assert_eq!(of(json!({"a": -1})), ["$.a: -1 is less than 0"]);
    assert_eq!(of(json!({"a": 1.5})).len(), 1);
    assert_eq!(of(json!({"a": 1, "z": 0})), ["$.z: must not be there"]);
    assert_eq!(of(json!({"a": 1, "b": "xyz"})).len(), 1);
    assert_eq!(of(json!({"a": 1, "c": [2]})).len(), 1);
    assert_eq!(violations(&json!({"maxLength": 1}), &json!("")).len(), 1);
}
