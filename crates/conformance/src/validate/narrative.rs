//! This file is where a narrative's XHTML is checked: well-formed, small, and without anything that runs or loads.
//!
//! FHIR R4 narrative §2.4.0.1 (txt-1, txt-2). Checked: a single `div`, well-formedness, the elements and attributes that
//! the specification allows, no scripts or events, links of a harmless scheme, some content. Not checked: the content of
//! `style`, which elements may stand in which, and that `idref`s resolve.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

const DEPTH_MAX: usize = 100;
const XHTML: &str = "http://www.w3.org/1999/xhtml";

#[rustfmt::skip]
const ELEMENTS: &[&str] = &[
    "a", "abbr", "acronym", "address", "b", "bdo", "big", "blockquote", "br", "caption", "center", "cite", "code", "col",
    "colgroup", "dd", "del", "dfn", "dir", "div", "dl", "dt", "em", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i",
    "img", "ins", "kbd", "li", "menu", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var",
];

#[rustfmt::skip]
const ATTRIBUTES: &[&str] = &[
    "abbr", "accesskey", "align", "alt", "axis", "bgcolor", "border", "cellhalign", "cellpadding", "cellspacing",
    "cellvalign", "char", "charoff", "charset", "cite", "class", "clear", "color", "cols", "colspan", "compact", "coords",
    "datetime", "dir", "face", "frame", "headers", "height", "href", "hreflang", "hspace", "id", "lang", "longdesc", "name",
    "noshade", "nowrap", "rel", "rev", "rowspan", "rules", "scope", "shape", "size", "span", "src", "start", "style",
    "summary", "tabindex", "title", "type", "valign", "value", "vspace", "width", "xml:lang", "xml:space", "xmlns",
];

/// Checks a `div`; on refusal the rule that is broken and the words for it.
pub(super) fn check(text: &str) -> Result<(), (&'static str, &'static str)> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let (mut depth, mut roots, mut content) = (0_usize, 0_usize, false);
    loop {
        let event = reader.read_event().map_err(|_| ("txt-1", "the narrative is not well-formed XHTML"))?;
        match event {
            Event::Start(start) => {
                open(&start, depth, &mut roots)?;
                content |= start.name().as_ref() == b"img";
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(("txt-1", "the narrative is nested deeper than 100 elements"));
                }
            }
            Event::Empty(start) => {
                open(&start, depth, &mut roots)?;
                content |= start.name().as_ref() == b"img";
            }
            // The reader has checked that it closes what is open.
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::Text(text) => {
                let blank = text.iter().all(u8::is_ascii_whitespace);
                if depth == 0 && !blank {
                    return Err(("txt-1", "the narrative must be one `div` with nothing around it"));
                }
                if text.contains(&b'<') {
                    return Err(("txt-1", "the narrative is not well-formed XHTML"));
                }
                content |= !blank;
            }
            Event::GeneralRef(name) => {
                if depth == 0 || !is_reference(&name) {
                    return Err(("txt-1", "the narrative has an entity that XHTML does not know"));
                }
                content = true;
            }
            Event::Comment(_) => {}
            Event::CData(_) | Event::PI(_) | Event::Decl(_) | Event::DocType(_) => {
                return Err(("txt-1", "the narrative must not have declarations, CDATA or instructions"));
            }
            Event::Eof => break,
        }
    }
    if depth > 0 || roots == 0 {
        return Err(("txt-1", "the narrative must be one closed `div`"));
    }
    if content { Ok(()) } else { Err(("txt-2", "the narrative's `div` is empty")) }
}

fn open(start: &BytesStart<'_>, depth: usize, roots: &mut usize) -> Result<(), (&'static str, &'static str)> {
    let name = start.name();
    let name = std::str::from_utf8(name.as_ref()).unwrap_or_default();
    if depth == 0 {
        *roots += 1;
        if name != "div" || *roots > 1 {
            return Err(("txt-1", "the narrative must be one `div` with nothing around it"));
        }
    }
    if ELEMENTS.binary_search(&name).is_err() {
        return Err(("txt-1", "the narrative has an element that FHIR does not allow there"));
    }
    let mut namespace = depth > 0;
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| ("txt-1", "the narrative is not well-formed XHTML"))?;
        let key = std::str::from_utf8(attribute.key.as_ref()).unwrap_or_default();
        if ATTRIBUTES.binary_search(&key).is_err() {
            return Err(("txt-1", "the narrative has an attribute that FHIR does not allow there"));
        }
        let value = attribute.value.as_ref();
        if value.contains(&b'<') {
            return Err(("txt-1", "the narrative is not well-formed XHTML"));
        }
        if key == "xmlns" {
            if value != XHTML.as_bytes() {
                return Err(("txt-1", "the narrative's `div` must be of the XHTML namespace"));
            }
            namespace = true;
        }
        if matches!(key, "href" | "src" | "cite" | "longdesc") && !is_harmless(value) {
            return Err(("txt-1", "the narrative has a link that would run something"));
        }
    }
    if namespace { Ok(()) } else { Err(("txt-1", "the narrative's `div` must be of the XHTML namespace")) }
}

/// Whether following the link runs no code: only known schemes, and nothing spelled so that the scheme is hidden.
fn is_harmless(link: &[u8]) -> bool {
    let before = link.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next().unwrap_or_default();
    // An entity such as `&#58;` could stand for the colon; a query's `&amp;` stands behind the `?`.
    if before.contains(&b'&') || link.iter().take(64).any(u8::is_ascii_control) {
        return false;
    }
    let Some(colon) = before.iter().position(|byte| *byte == b':') else { return true };
    let scheme = before.get(..colon).unwrap_or_default().trim_ascii().to_ascii_lowercase();
    match scheme.as_slice() {
        b"http" | b"https" | b"mailto" | b"tel" | b"urn" | b"ftp" => true,
        b"data" => link.to_ascii_lowercase().starts_with(b"data:image/") && !contains(link, b"svg"),
        _ => false,
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// A character reference, or the name of an entity as XHTML 1.0 has them: letters and digits, at most 8.
fn is_reference(name: &[u8]) -> bool {
    match name.strip_prefix(b"#") {
        Some([b'x', digits @ ..]) => scalar(digits, 16),
        Some(digits) => scalar(digits, 10),
        None => {
            (2..=8).contains(&name.len())
                && name.first().is_some_and(u8::is_ascii_alphabetic)
                && name.iter().all(u8::is_ascii_alphanumeric)
        }
    }
}

fn scalar(digits: &[u8], radix: u32) -> bool {
    let text = std::str::from_utf8(digits).unwrap_or_default();
    !text.starts_with('+')
        && u32::from_str_radix(text, radix)
            .ok()
            .and_then(char::from_u32)
            .is_some_and(|char| !char.is_control() || matches!(char, '\t' | '\n' | '\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narratives_that_are_taken_and_refused() {
        assert!(ELEMENTS.is_sorted() && ATTRIBUTES.is_sorted());
        let within = |inner: &str| format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{inner}</div>");
        for inner in [
            "a",
            "<p>a<br/>b</p>",
            "&lt;&nbsp;&#65;&#x41;",
            "<img src=\"#x\" alt=\"a\"/>",
            "<a href=\"https://a.example/?b&amp;c=d:e\">a</a>",
            "<!-- b -->a",
            "<a href=\"Patient/1\">a</a>",
        ] {
            assert_eq!(check(&within(inner)), Ok(()), "{inner}");
        }
        for inner in [
            "<script>a</script>",
            "<p onclick=\"a\">b</p>",
            "<p>a",
            "<p>a</b>",
            "<a href=\"javascript:a\">b</a>",
            "<a href=\"&#106;avascript:a\">b</a>",
            "<a href=\" java\tscript:a\">b</a>",
            "<img src=\"data:text/html;base64,QQ==\"/>",
            "<iframe src=\"https://a.example\"/>",
            "<p a=1>b</p>",
            "<form>a</form>",
            "<![CDATA[a]]>",
            "&#0;",
            "&;",
            "a & b",
            "<?php a ?>b",
            "<p class=\"a\" class=\"b\">c</p>",
            &"<b>".repeat(101),
        ] {
            assert!(matches!(check(&within(inner)), Err(("txt-1", _))), "{inner}");
        }
        for whole in [
            "",
            "a",
            "<p>a</p>",
            "<div>a</div>",
            "<div xmlns=\"http://www.w3.org/1999/xhtml\">a",
            "<!DOCTYPE a>",
        ] {
            assert!(matches!(check(whole), Err(("txt-1", _))), "{whole}");
        }
        assert_eq!(check(&(within("a") + &within("b"))).map_err(|(rule, _)| rule), Err("txt-1"));
        assert_eq!(check(&within("")).map_err(|(rule, _)| rule), Err("txt-2"));
        assert_eq!(check(&within(" <p/> ")).map_err(|(rule, _)| rule), Err("txt-2"));
    }
}
