//! What a scripted venue answers to a message in a documented form, and what is subscribed then.
//! It must not know sockets, nor any other message.

use crate::{
    fill::{Fill, fill},
    form::Named,
    script::{How, Message as Form},
    scripted_talk::{Item, Kind, Over, Talk},
};
use std::collections::BTreeSet;

/// A channel and a symbol as a message names them.
type Name = (String, String);

impl Talk {
    /// A message in a documented form.
    pub(crate) async fn asked(&mut self, form: &Form, kind: Kind, named: Named) -> Result<(), Over> {
        let stage = self.stage.clone();
        let script = &stage.script;
        self.has_asked |= kind == Kind::Begin;
        self.requests += 1;
        if script.limits.requests_per_connection.is_some_and(|most| self.requests > most) {
            stage.violation(format!("{} requests on one connection", self.requests));
        }
        self.pings_us |= form.starts_pings;
        let mut items = named.items.clone();
        if form.all {
            items =
                script.symbols.iter().map(|symbol| (form.channel.clone(), symbol.asked.clone())).collect();
        }
        if script.limits.items.is_some_and(|most| items.len() > most) {
            stage.violation(format!("{} items in one message", items.len()));
        }
        let id = named.values.get("id").cloned().unwrap_or_else(|| "null".to_owned());
        let (known, unknown) = self.known(form, &items);
        let channel = items.first().map(|(channel, _)| channel.clone()).unwrap_or_default();
        let base =
            Fill { words: vec![("id", id), ("channel", channel)], round: stage.now(), ..Fill::default() };
        let refuses = match script.unknown.how {
            How::Batch => true,
            How::LeftOut => known.is_empty() && !script.unknown.error.is_empty(),
            How::Error | How::Silent => false,
        };
        if !unknown.is_empty() && refuses && kind == Kind::Begin {
            return self.refuse(&base, &unknown).await;
        }
        if form.replaces {
            self.subscribed.clear();
        }
        let mut fresh = Vec::new();
        for key in &known {
            match kind {
                Kind::End => drop(self.subscribed.remove(key)),
                _ if self.subscribed.contains_key(key) => {}
                _ => {
                    self.channels_given += 1;
                    self.subscribed.insert(*key, self.channels_given);
                    fresh.push(*key);
                }
            }
        }
        if script.limits.subscriptions.is_some_and(|most| self.subscribed.len() > most) {
            stage.violation(format!("{} subscriptions on one connection", self.subscribed.len()));
        }
        let subscribed: BTreeSet<_> = self.subscribed.keys().copied().collect();
        let mut told = known.clone();
        if form.late {
            self.first(&fresh).await?;
        }
        let acknowledges_unknown = matches!(script.unknown.how, How::Silent);
        self.acknowledge(form, &base, &mut told, if acknowledges_unknown { &unknown } else { &[] }).await?;
        if !unknown.is_empty() && script.unknown.how == How::Error && kind == Kind::Begin {
            self.refuse(&base, &unknown).await?;
        }
        if !form.late {
            self.first(&fresh).await?;
        }
        stage.state().open.insert(self.number, subscribed);
        Ok(())
    }

    async fn first(&mut self, fresh: &[Item]) -> Result<(), Over> {
        let round = self.stage.now();
        for key in fresh {
            let chan = self.subscribed.get(key).copied().unwrap_or_default();
            self.data(*key, chan, round, true).await?;
        }
        Ok(())
    }

    /// What of this is known, by index, and what is not, by channel and name.
    fn known(&self, form: &Form, items: &[Name]) -> (Vec<Item>, Vec<Name>) {
        let script = &self.stage.script;
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for (channel, symbol) in items {
            let at = script
                .channel
                .iter()
                .position(|one| one.name == *channel && one.variant == form.variant)
                .unwrap_or_else(|| panic!("the script has no channel '{channel}'"));
            match script.symbols.iter().position(|one| one.asked == *symbol) {
                Some(symbol) => known.push((at, symbol)),
                None => {
                    if script.unknown.asked != *symbol {
                        self.stage.violation(format!("'{symbol}' is no symbol of this venue"));
                    }
                    unknown.push((channel.clone(), symbol.clone()));
                }
            }
        }
        (known, unknown)
    }

    async fn acknowledge(
        &mut self,
        form: &Form,
        base: &Fill,
        known: &mut Vec<Item>,
        unknown: &[Name],
    ) -> Result<(), Over> {
        let stage = self.stage.clone();
        let script = &stage.script;
        let mut one_by_one = Vec::new();
        for (channel, symbol) in known.drain(..) {
            let name = script.channel[channel].name.clone();
            let chan = self.subscribed.get(&(channel, symbol)).copied().unwrap_or_default();
            let words = vec![base.words[0].clone(), ("channel", name), ("chan", chan.to_string())];
            one_by_one.push(stage.fill(symbol, base.round, words));
        }
        for (channel, symbol) in unknown {
            let words = vec![
                base.words[0].clone(),
                ("channel", channel.clone()),
                ("symbol", symbol.clone()),
                ("told", symbol.clone()),
                ("chan", "1".to_owned()),
            ];
            one_by_one.push(Fill { words, ..base.clone() });
        }
        if !form.ack.is_empty() {
            let items: Vec<_> = one_by_one.iter().map(|with| fill(&form.item, with)).collect();
            let state: BTreeSet<_> =
                self.subscribed.keys().map(|(_, at)| format!("\"{}\"", script.symbols[*at].asked)).collect();
            let mut with = base.clone();
            with.words.push(("items", items.join(",")));
            with.words.push(("state", state.into_iter().collect::<Vec<_>>().join(",")));
            self.say(&form.ack, &with, false).await?;
        }
        for with in &one_by_one {
            self.say(&form.ack_each, with, false).await?;
        }
        Ok(())
    }

    async fn refuse(&mut self, base: &Fill, unknown: &[Name]) -> Result<(), Over> {
        let template = self.stage.script.unknown.error.clone();
        let each = self.stage.script.unknown.how == How::Error;
        for (channel, symbol) in unknown.iter().take(if each { usize::MAX } else { 1 }) {
            let mut with = base.clone();
            with.words =
                vec![base.words[0].clone(), ("symbol", symbol.clone()), ("channel", channel.clone())];
            self.say(&template, &with, false).await?;
        }
        Ok(())
    }
}
