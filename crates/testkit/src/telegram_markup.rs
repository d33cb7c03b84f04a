//! Keyboards, inline results and lists of commands, judged as the Bot API judges them.
//! It must not know chats, nor how a call came in.

use crate::telegram_html::{parse_html, utf16_len};
use serde_json::{Map, Value};

/// One button under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// What it shows.
    pub text: String,
    /// `callback_data`, `url`, `switch_inline_query`, …
    pub kind: String,
    /// What that holds.
    pub value: String,
}

/// What a button may do; exactly one of them.
const DOES: &[&str] = &[
    "callback_data",
    "url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "web_app",
    "login_url",
    "callback_game",
    "pay",
];

/// Beside them.
const LOOKS: &[&str] = &["text", "style", "icon_custom_emoji_id"];

/// The rows of an inline keyboard; other markups have none here.
pub(crate) fn keyboard(markup: Option<&Value>) -> Result<Vec<Vec<Button>>, String> {
    let Some(markup) = markup else { return Ok(Vec::new()) };
    let text_form;
    let markup = match markup {
        // In forms a markup is JSON inside a text.
        Value::String(text) => {
            text_form = serde_json::from_str::<Value>(text)
                .map_err(|_| "can't parse reply keyboard markup JSON object".to_owned())?;
            &text_form
        }
        other => other,
    };
    let Some(object) = markup.as_object() else {
        return Err("object expected as reply markup".to_owned());
    };
    let Some(rows) = object.get("inline_keyboard") else {
        let others = ["keyboard", "remove_keyboard", "force_reply"];
        let known = others.iter().any(|name| object.contains_key(*name));
        return if known { Ok(Vec::new()) } else { Err("can't parse reply keyboard markup".to_owned()) };
    };
    let Some(rows) = rows.as_array() else {
        return Err("can't parse inline keyboard: Field \"inline_keyboard\" must be of type Array".to_owned());
    };
    let mut all = Vec::new();
    for row in rows {
        let Some(row) = row.as_array() else {
            return Err("can't parse inline keyboard: row must be an Array".to_owned());
        };
        if row.len() > 8 {
            return Err("REPLY_MARKUP_TOO_LONG".to_owned());
        }
        all.push(row.iter().map(button).collect::<Result<Vec<_>, _>>()?);
    }
    let count: usize = all.iter().map(Vec::len).sum();
    if count > 100 {
        return Err("REPLY_MARKUP_TOO_LONG".to_owned());
    }
    all.retain(|row: &Vec<Button>| !row.is_empty());
    Ok(all)
}

fn button(button: &Value) -> Result<Button, String> {
    let object = button.as_object().ok_or("can't parse inline keyboard button: it must be an Object")?;
    if let Some(name) =
        object.keys().find(|name| !DOES.contains(&name.as_str()) && !LOOKS.contains(&name.as_str()))
    {
        return Err(format!("inline keyboard button: there is no field \"{name}\""));
    }
    let text = object.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.trim().is_empty() {
        return Err("can't parse inline keyboard button: Can't find field \"text\"".to_owned());
    }
    let does: Vec<_> = DOES.iter().filter(|name| object.contains_key(**name)).collect();
    let [kind] = does.as_slice() else {
        return Err(if does.is_empty() {
            "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard".to_owned()
        } else {
            format!("inline keyboard button does more than one thing: {does:?}")
        });
    };
    let held = &object[**kind];
    let value = held.as_str().map_or_else(|| held.to_string(), str::to_owned);
    match **kind {
        "callback_data" if value.is_empty() || value.len() > 64 => {
            return Err("BUTTON_DATA_INVALID".to_owned());
        }
        "url" if !["http://", "https://", "tg://"].iter().any(|scheme| value.starts_with(scheme)) => {
            return Err(format!("inline keyboard button URL '{value}' is invalid: Wrong HTTP URL"));
        }
        _ => {}
    }
    Ok(Button { text: text.to_owned(), kind: (**kind).to_owned(), value })
}

/// The answers to an inline query: their ids and messages.
pub(crate) fn inline_results(results: Option<&Value>) -> Result<Vec<Map<String, Value>>, String> {
    let results = results.and_then(Value::as_array).ok_or("can't parse inline query results")?;
    if results.len() > 50 {
        return Err("RESULTS_TOO_MUCH".to_owned());
    }
    let mut ids = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    for result in results {
        let object = result.as_object().ok_or("can't parse inline query result: it must be an Object")?;
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let id = text("id");
        if id.is_empty() || id.len() > 64 {
            return Err("RESULT_ID_INVALID".to_owned());
        }
        if !ids.insert(id.to_owned()) {
            return Err("RESULT_ID_DUPLICATE".to_owned());
        }
        if text("type") == "article" {
            if text("title").is_empty() {
                return Err("can't parse inline query result: Can't find field \"title\"".to_owned());
            }
            let content = object.get("input_message_content").and_then(Value::as_object);
            let content = content.ok_or("inline query result must have input_message_content")?;
            let message = content.get("message_text").and_then(Value::as_str).unwrap_or_default();
            let parsed = if content.get("parse_mode").and_then(Value::as_str) == Some("HTML") {
                parse_html(message).map_err(|error| format!("can't parse entities: {error}"))?.text
            } else {
                message.to_owned()
            };
            if parsed.trim().is_empty() || utf16_len(&parsed) > 4096 {
                return Err("MESSAGE_EMPTY or MESSAGE_TOO_LONG in an inline result".to_owned());
            }
        }
        keyboard(object.get("reply_markup"))?;
        all.push(object.clone());
    }
    Ok(all)
}

/// A list for the menu of commands.
pub(crate) fn commands(commands: Option<&Value>) -> Result<(), String> {
    let commands = commands.and_then(Value::as_array).ok_or("can't parse list of bot commands")?;
    if commands.len() > 100 {
        return Err("BOT_COMMANDS_TOO_MUCH".to_owned());
    }
    for command in commands {
        let text = |name: &str| command.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = text("command");
        let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if name.is_empty() || name.len() > 32 || !name.bytes().all(good) {
            return Err("BOT_COMMAND_INVALID".to_owned());
        }
        let description = text("description");
        if description.is_empty() || description.chars().count() > 256 {
            return Err("BOT_COMMAND_DESCRIPTION_INVALID".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keyboards_are_judged() {
        let long = "я".repeat(33);
        for (button, wrong) in [
            (json!({"text": "A", "callback_data": "a"}), ""),
            (json!({"text": "A", "callback_data": "x".repeat(64)}), ""),
            (json!({"text": "A", "callback_data": long}), "BUTTON_DATA_INVALID"),
            (json!({"text": "A", "callback_data": ""}), "BUTTON_DATA_INVALID"),
            (json!({"text": "A"}), "Text buttons are unallowed"),
            (json!({"text": "", "callback_data": "a"}), "Can't find field \"text\""),
            (json!({"text": "A", "url": "example"}), "Wrong HTTP URL"),
            (json!({"text": "A", "url": "https://example.org", "callback_data": "a"}), "more than one"),
            (json!({"text": "A", "callbackdata": "a"}), "no field \"callbackdata\""),
        ] {
            let said = keyboard(Some(&json!({"inline_keyboard": [[button]]}))).err().unwrap_or_default();
            assert!(said.contains(wrong) && said.is_empty() == wrong.is_empty(), "{button}: {said}");
        }
    }

    #[test]
    fn lists_are_judged() {
        let good = json!([{"command": "rate", "description": "Курс"}]);
        assert_eq!(commands(Some(&good)), Ok(()));
        let bad = json!([{"command": "курс", "description": "Курс"}]);
        assert_eq!(commands(Some(&bad)), Err("BOT_COMMAND_INVALID".to_owned()));
        let article = |id: &str, text: &str| {
            json!({"type": "article", "id": id, "title": "T",
                "input_message_content": {"message_text": text, "parse_mode": "HTML"}})
        };
        assert!(inline_results(Some(&json!([article("1", "<b>x</b>"), article("2", "y")]))).is_ok());
        for (results, said) in [
            (json!([article("1", "x"), article("1", "y")]), "RESULT_ID_DUPLICATE"),
            (json!([article("1", "<b>x")]), "can't parse entities"),
            (json!(vec![article("1", "x"); 51]), "RESULTS_TOO_MUCH"),
        ] {
            assert!(inline_results(Some(&results)).unwrap_err().contains(said));
        }
    }
}
