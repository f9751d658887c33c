//! Addresses of Partner Center: each national cloud has addresses of its own.

use std::str::FromStr;

/// Addresses of a cloud, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Of the API; paths begin with `/v1`.
    pub api: String,
    /// Of the token endpoint.
    pub login: String,
    /// What a token is asked for.
    pub resource: String,
}

/// A national cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Everywhere else.
    Global,
    /// US Government: the same API, another token endpoint.
    UsGov,
    /// Germany. Microsoft documents no address of its API any more, so it has to be configured.
    Germany,
    /// China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// The words of the configuration.
    pub const ALL: [(&'static str, Cloud); 4] = [
        ("global", Cloud::Global),
        ("us-gov", Cloud::UsGov),
        ("germany", Cloud::Germany),
        ("china", Cloud::China),
    ];

    /// Its addresses, as Partner Center's documentation of REST URLs and national clouds has them.
    pub fn addresses(self) -> Option<Addresses> {
        let (api, login) = match self {
            Cloud::Global => (
                "https://api.partnercenter.microsoft.com",
                "https://login.microsoftonline.com",
            ),
            Cloud::UsGov => (
                "https://api.partnercenter.microsoft.com",
                "https://login.microsoftonline.us",
            ),
            Cloud::China => (
                "https://partner.partnercenterapi.microsoftonline.cn",
                "https://login.partner.microsoftonline.cn",
            ),
            Cloud::Germany => return None,
        };
        Some(Addresses {
            api: api.to_owned(),
            login: login.to_owned(),
            resource: api.to_owned(),
        })
    }
}

impl FromStr for Cloud {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|(word, _)| *word == text);
        found.map(|(_, cloud)| cloud).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|(word, _)| *word).collect();
            format!("expected one of {}", words.join(", "))
        })
    }
}
