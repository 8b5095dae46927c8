//! [`Value`] as JSON.

use serde_json::{Map, Number, Value as Json};

use super::Value;

impl Value<'_> {
    /// As JSON. Integers beyond 64 bits and pointers are hexadecimal strings; floats that JSON can't
    /// hold (NaN, infinities) are strings.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Signed { value, .. } => integer(*value),
            Self::Unsigned { value, .. } => match u64::try_from(*value) {
                Ok(value) => value.into(),
                Err(_) => format!("{value:#x}").into(),
            },
            Self::Bool(value) => (*value).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Enum { name: Some(name), .. } => (*name).into(),
            Self::Enum { name: None, value } => integer(*value),
            Self::Ptr(address) => format!("{address:#x}").into(),
            Self::Float(value) => match Number::from_f64(*value) {
                Some(number) => Json::Number(number),
                None => value.to_string().into(),
            },
            Self::Fields(fields) => fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.to_json()))
                .collect::<Map<_, _>>()
                .into(),
            Self::List(list) => list.iter().map(Value::to_json).collect(),
            Self::Bytes(bytes) => bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into(),
        }
    }
}

fn integer(value: i128) -> Json {
    if let Ok(value) = u64::try_from(value) {
        value.into()
    } else if let Ok(value) = i64::try_from(value) {
        value.into()
    } else {
        value.to_string().into()
    }
}

impl From<&Value<'_>> for Json {
    fn from(value: &Value<'_>) -> Self {
        value.to_json()
    }
}
