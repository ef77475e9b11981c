//! What generated `into_static` methods are made of.

use std::borrow::Cow;

use super::TaggedField;

pub(crate) fn own_str(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

pub(crate) fn own_bytes(bytes: Cow<'_, [u8]>) -> Cow<'static, [u8]> {
    Cow::Owned(bytes.into_owned())
}

pub(crate) fn own_tags(tags: Vec<TaggedField<'_>>) -> Vec<TaggedField<'static>> {
    tags.into_iter().map(TaggedField::into_static).collect()
}
