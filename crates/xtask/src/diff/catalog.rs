//! The APIs by their names, and one version of one of them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use super::wire::Form;
use crate::schema::versions::Versions;
use crate::schema::{self, Kind, MessageSpec};

/// The key of ApiVersions, whose response header is never flexible.
const API_VERSIONS: i16 = 18;

/// An API with its two messages.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) name: String,
    pub(crate) key: i16,
    pub(crate) request: MessageSpec,
    pub(crate) response: MessageSpec,
    /// What both brokers serve; set once they were asked.
    pub(crate) both: Versions,
}

/// A version of an API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) api: &'a Api,
    pub(crate) version: i16,
}

impl<'a> Call<'a> {
    pub(crate) fn request(self) -> Form<'a> {
        Form { spec: &self.api.request, version: self.version }
    }

    pub(crate) fn response(self) -> Form<'a> {
        Form { spec: &self.api.response, version: self.version }
    }

    /// The same API in its first version.
    pub(crate) fn oldest(self) -> Self {
        Call { version: 0, ..self }
    }

    pub(crate) fn has_flexible_response_header(self) -> bool {
        self.api.key != API_VERSIONS && self.response().flexible()
    }
}

/// All APIs of the schema.
#[derive(Debug)]
pub(crate) struct Catalog {
    apis: BTreeMap<String, Api>,
}

impl Catalog {
    /// Reads the schema below the repository's `root`.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let families = schema::load(&root.join("crates/protocol/schema"))?;
        let messages = || families.iter().flat_map(|f| &f.messages);
        let mut apis = BTreeMap::new();
        for request in messages().filter(|m| m.kind == Kind::Request) {
            let key = request.key.with_context(|| format!("{} has no key", request.name))?;
            let response = messages()
                .find(|m| m.kind == Kind::Response && m.key == request.key)
                .with_context(|| format!("{} has no response", request.name))?;
            let name = request.name.trim_end_matches("Request").to_owned();
            let (request, response) = (request.clone(), response.clone());
            let api = Api { name: name.clone(), key, request, response, both: Versions::NONE };
            apis.insert(name, api);
        }
        Ok(Catalog { apis })
    }

    /// The API of a name.
    pub(crate) fn get(&self, name: &str) -> Result<&Api> {
        self.apis.get(name).ok_or_else(|| anyhow!("no API {name}"))
    }

    /// The newest version that both brokers serve.
    pub(crate) fn newest(&self, name: &str) -> Result<Call<'_>> {
        let api = self.get(name)?;
        Ok(Call { api, version: api.both.max })
    }

    /// Every API.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Api> {
        self.apis.values()
    }

    /// Every API, to be told what both serve.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Api> {
        self.apis.values_mut()
    }
}
