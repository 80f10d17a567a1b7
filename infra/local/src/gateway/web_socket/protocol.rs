//! Subprotocols of a handshake: those that a client offers, and the one that is selected.

use http::HeaderValue;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::request::Parts;

/// The offers that are read of one handshake.
const MAX_OFFERS: usize = 64;
/// The longest subprotocol that is selected, in bytes: some clients offer their token as one.
const MAX_NAME: usize = 4096;

/// The reason why browsers end a connection at once.
const NONE: &str = "the client offers subprotocols and none is selected, which browsers and Node \
                    refuse: return the header `Sec-WebSocket-Protocol` in the function of $connect";
const OTHER: &str = "the function of $connect selects a subprotocol that the client does not \
                     offer, which browsers and Node refuse";
const WRONG: &str = "the header `Sec-WebSocket-Protocol` of the function of $connect is not one \
                     subprotocol: none is selected";

/// The first subprotocol that is offered, which an echo takes.
///
/// A `$connect` integration must take one where a client offers any: to a browser that offers
/// `bearer` and a token this says `bearer`.
pub(super) fn first_offer(head: &Parts) -> Option<HeaderValue> {
    let first = offers(head).find(|offer| is_name(offer))?;
    HeaderValue::from_str(first).ok()
}

/// The selected subprotocol if it can be sent, and a reason for the log if clients will refuse it.
pub(in super::super) fn checked(
    head: &Parts,
    selected: Option<HeaderValue>,
) -> (Option<HeaderValue>, Option<&'static str>) {
    let Some(selected) = selected else {
        return (None, offers(head).next().map(|_| NONE));
    };
    match selected.to_str() {
        Ok(name) if is_name(name) => {
            let is_offered = offers(head).any(|offer| offer == name);
            (Some(selected), (!is_offered).then_some(OTHER))
        }
        _ => (None, Some(WRONG)),
    }
}

fn offers(head: &Parts) -> impl Iterator<Item = &str> {
    let lists = head.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    let lists = lists.filter_map(|list| list.to_str().ok());
    let offers = lists.flat_map(|list| list.split(',')).map(str::trim);
    offers.filter(|offer| !offer.is_empty()).take(MAX_OFFERS)
}

/// Returns true for a token of RFC 9110, which every subprotocol is (RFC 6455, section 4.1).
fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(lists: &[&str]) -> Parts {
        let mut request = Request::builder();
        for list in lists {
            request = request.header(SEC_WEBSOCKET_PROTOCOL, *list);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn the_first_token_that_is_offered_is_taken() {
        let first = |lists: &[&str]| first_offer(&head(lists));
        assert_eq!(first(&[]), None);
        assert_eq!(first(&["bearer, eyJ"]).unwrap(), "bearer");
        assert_eq!(first(&[", a b,\"c\"", "d"]).unwrap(), "d");
        assert_eq!(first(&[&"a;,".repeat(100_000)]), None);
        let long = "a".repeat(MAX_NAME);
        assert_eq!(first(&[&long]).unwrap(), long.as_str());
        assert_eq!(first(&[&format!("{long}a")]), None);
    }

    #[test]
    fn a_selected_subprotocol_is_one_token() {
        let checked = |lists: &[&str], selected: &str| {
            checked(&head(lists), HeaderValue::from_bytes(selected.as_bytes()).ok())
        };
        for wrong in ["", "a, b", "a b", "a;b", "\"a\"", "ä", &"a".repeat(MAX_NAME + 1)] {
            assert_eq!(checked(&["a, b"], wrong), (None, Some(WRONG)), "{wrong}");
        }
        let name = |name| Some(HeaderValue::from_static(name));
        assert_eq!(checked(&["a, b"], "b"), (name("b"), None));
        assert_eq!(checked(&["a", "b"], "b"), (name("b"), None));
        assert_eq!(checked(&["a, b"], "B"), (name("B"), Some(OTHER)));
        assert_eq!(checked(&[], "b"), (name("b"), Some(OTHER)));
        assert_eq!(super::checked(&head(&["a"]), None), (None, Some(NONE)));
        assert_eq!(super::checked(&head(&[]), None), (None, None));
    }
}
