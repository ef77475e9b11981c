//! Names that are shared between maps: groups, members, topics, protocols.

use std::borrow::Cow;
use std::sync::Arc;

/// A shared string.
pub(crate) type Name = Arc<str>;

/// The name as a field of a response.
pub(crate) fn text(name: &Name) -> Cow<'static, str> {
    Cow::Owned(name.to_string())
}

/// The same, for a nullable field.
pub(crate) fn opt_text(name: Option<&Name>) -> Option<Cow<'static, str>> {
    name.map(text)
}

/// A nullable field of a request as a name.
pub(crate) fn opt_name(field: Option<&Cow<'_, str>>) -> Option<Name> {
    field.map(|f| Name::from(f.as_ref()))
}
