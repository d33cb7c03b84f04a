//! The seam between transport and conversation: what somebody said, and what is to be done about it.
//! It must not know Telegram's wire format, nor what any text means.

use market::Timestamp;

/// One update, as the conversation hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Telegram's number of the update.
    pub update_id: i64,
    /// When it was said, by Telegram's clock; of a button when it was received, for Telegram does not say.
    pub at: Timestamp,
    /// Where; an inline query is said nowhere.
    pub chat: Option<ChatRef>,
    /// By whom; a post in a channel is by nobody.
    pub user: Option<UserRef>,
    /// What.
    pub what: What,
}

/// A chat, and the topic in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatRef {
    /// Telegram's number: negative for groups.
    pub id: i64,
    /// What sort of chat.
    pub kind: ChatKind,
    /// The topic (`message_thread_id`), where the group has topics.
    pub thread: Option<i32>,
}

/// What sort of chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatKind {
    /// With one person.
    Private,
    /// A group or supergroup.
    Group,
    /// A channel.
    Channel,
}

/// Who said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRef {
    /// Telegram's number.
    pub id: i64,
    /// The name they chose: any characters at all.
    pub name: String,
    /// The language of their Telegram, `ru` or `en-US`.
    pub language_code: Option<String>,
    /// Whether they speak as the group itself: an administrator who stays anonymous.
    pub speaks_for_chat: bool,
}

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A message: a command (perhaps `/rate@name BTC`) or free text.
    Text {
        /// The message's number.
        message_id: i64,
        /// Its text, or its caption.
        text: String,
        /// Whether it answers a message of ours: in a group, free text then is meant for us.
        is_reply_to_us: bool,
    },
    /// A button under a message of ours was pressed.
    Button {
        /// To be answered with exactly one [`Act::Toast`].
        callback_id: String,
        /// What the button holds: what [`Key::says`] gave it, if it is ours at all.
        data: String,
        /// The message above the button; `None` if Telegram no longer shows it to us (48 hours).
        message_id: Option<i64>,
    },
    /// `@name btc` in any chat.
    Inline {
        /// To be answered with one [`Act::Inline`].
        query_id: String,
        /// The text after the name.
        query: String,
    },
    /// The person blocked us, or the group threw us out.
    Blocked,
    /// The person unblocked us.
    Unblocked,
    /// The group became a supergroup with this number.
    Migrated {
        /// The new number.
        to: i64,
    },
    /// We were added to a group.
    Joined,
}

/// What is to be done about it, in this order. All of it concerns the chat of the [`Said`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A new message, in the topic of what was said.
    Send {
        /// HTML of Telegram's kind; may be longer than one message holds, and is then split on line borders.
        html: String,
        /// Buttons, under the last part.
        keyboard: Keyboard,
    },
    /// New text for a message of ours. That nothing changed is no error.
    Edit {
        /// Which message.
        message_id: i64,
        /// As of `Send`, but always short enough for one message.
        html: String,
        /// Buttons; none takes the old ones away.
        keyboard: Keyboard,
    },
    /// New buttons for a message of ours, text or picture.
    EditKeyboard {
        /// Which message.
        message_id: i64,
        /// Buttons; none takes the old ones away.
        keyboard: Keyboard,
    },
    /// A picture.
    Photo {
        /// The picture.
        png: Vec<u8>,
        /// At most 1024 UTF-16 units once parsed.
        caption_html: String,
        /// Buttons.
        keyboard: Keyboard,
    },
    /// Another picture and caption for a picture of ours.
    EditPhoto {
        /// Which message.
        message_id: i64,
        /// The picture.
        png: Vec<u8>,
        /// As of `Photo`.
        caption_html: String,
        /// Buttons.
        keyboard: Keyboard,
    },
    /// Whoever reads this chat hears us after all: it is no longer paused, if anything said before this arrived there.
    Resume,
    /// Answers a button.
    Toast {
        /// Which press.
        callback_id: String,
        /// What is shown for a moment, at most 200 characters; `None` only ends the button's waiting.
        text: Option<String>,
        /// Whether it stays until it is confirmed.
        is_alert: bool,
    },
    /// Answers an inline query, with a cache time of at most five seconds.
    Inline {
        /// Which query.
        query_id: String,
        /// At most 50.
        results: Vec<InlineResult>,
    },
}

/// Rows of buttons.
pub type Keyboard = Vec<Vec<Key>>;

/// One button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What it shows.
    pub label: String,
    /// What it says to us when it is pressed ([`What::Button`]); 1 to 64 bytes.
    pub says: String,
}

/// One answer to an inline query: an article whose choice sends a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineResult {
    /// Unique in the answer, 1 to 64 bytes.
    pub id: String,
    /// The first line.
    pub title: String,
    /// The second line.
    pub description: String,
    /// What is sent.
    pub html: String,
}
