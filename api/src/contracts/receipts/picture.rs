//! What an uploaded file is, by its bytes: what a client declares proves nothing. Pictures of the SVG kind can run scripts
//! and fetch things, so that only those which cannot are taken.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    escape::unescape,
    events::{BytesStart, Event},
};

/// A kind of file that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PictureKind {
    Png,
    Jpeg,
    Pdf,
    Svg,
}

/// Why a file is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PictureRefused {
    /// It is not what it should be; the end of a sentence.
    Content(&'static str),
    /// It is a picture of the SVG kind with more than [`SVG_MAX`].
    TooLarge,
}

/// What is wrong with a picture of the SVG kind, as the end of a sentence.
type Wrong = &'static str;

/// Largest picture of the SVG kind, bytes: far more than a drawing of a receipt has, and read within some milliseconds.
pub(crate) const SVG_MAX: usize = 1 << 20;

/// How many bytes may come before a PDF file's header has ended, as its readers have it.
const PDF_HEADER_WITHIN: usize = 1_024;

const MALFORMED: Wrong = "is no well-formed SVG picture";

const ACTIVE: Wrong = "has a script, or something else that an SVG picture must not have";

impl PictureKind {
    const ALL: [Self; 4] = [Self::Png, Self::Jpeg, Self::Pdf, Self::Svg];

    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Pdf => "pdf",
            Self::Svg => "svg",
        }
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Pdf => "application/pdf",
            Self::Svg => "image/svg+xml",
        }
    }

    pub(super) fn of_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.extension() == extension)
    }

    /// The kind of the file with these bytes, if it is one that is taken.
    pub(super) fn of(bytes: &[u8]) -> Result<Self, PictureRefused> {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Ok(Self::Png);
        }
        if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            return Ok(Self::Jpeg);
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if text.trim_ascii_start().starts_with(b"<") {
            if text.len() > SVG_MAX {
                return Err(PictureRefused::TooLarge);
            }
            return harmless(text).map(|()| Self::Svg).map_err(PictureRefused::Content);
        }
        // Readers of PDF look for its header there, and printers and scanners write before it: marks, line breaks, jobs.
        if bytes[..bytes.len().min(PDF_HEADER_WITHIN)].windows(5).any(|start| start == b"%PDF-") {
            return Ok(Self::Pdf);
        }
        Err(PictureRefused::Content("must be a PNG, JPEG, PDF or SVG file"))
    }
}

/// Elements that run something, or hold what is not a picture.
const ELEMENTS: [&str; 14] = [
    "script",
    "foreignobject",
    "iframe",
    "frame",
    "object",
    "embed",
    "audio",
    "video",
    "link",
    "meta",
    "handler",
    "listener",
    "base",
    "form",
];

/// Reads it to its end as a browser would, and refuses what it would act on. Every byte is looked at a fixed number of
/// times, whatever the picture is like: whoever sends it is nobody that we know.
fn harmless(text: &[u8]) -> Result<(), Wrong> {
    let text = std::str::from_utf8(text).map_err(|_| "is no SVG picture in UTF-8")?;
    let mut reader = Reader::from_str(text);
    let (mut depth, mut has_root) = (0_usize, false);
    // The text of the style sheet that is being read: a browser joins it over comments and sections before it reads it.
    let mut style: Option<String> = None;
    loop {
        match reader.read_event().map_err(|_| MALFORMED)? {
            Event::Start(_) | Event::Empty(_) if style.is_some() => return Err(ACTIVE),
            Event::Start(element) => {
                let name = local(element.local_name().as_ref())?;
                has_root = enter(&name, has_root)?;
                attributes(&element)?;
                style = (name == "style").then(String::new);
                depth += 1;
            }
            Event::Empty(element) => {
                has_root = enter(&local(element.local_name().as_ref())?, has_root)?;
                attributes(&element)?;
            }
            Event::End(_) => {
                depth = depth.checked_sub(1).ok_or(MALFORMED)?;
                stylish(&style.take().unwrap_or_default())?;
            }
            Event::Text(text) => style.iter_mut().for_each(|style| style.push_str(&String::from_utf8_lossy(&text))),
            Event::CData(text) => style.iter_mut().for_each(|style| style.push_str(&String::from_utf8_lossy(&text))),
            // A document type may define entities, and an instruction may name a style sheet or more.
            Event::DocType(_) | Event::PI(_) => return Err(ACTIVE),
            // In a style sheet a reference may stand for any character.
            Event::GeneralRef(_) if style.is_some() => return Err(ACTIVE),
            // Read in another encoding, the same bytes may say something else.
            Event::Decl(declared) if !utf8(declared.encoding().transpose()) => return Err(ACTIVE),
            Event::Comment(_) | Event::Decl(_) | Event::GeneralRef(_) => {}
            Event::Eof => break,
        }
    }
    if has_root && depth == 0 { Ok(()) } else { Err(MALFORMED) }
}

fn utf8<E>(declared: Result<Option<Cow<'_, [u8]>>, E>) -> bool {
    declared.is_ok_and(|encoding| encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case(b"utf-8")))
}

/// Whether it is the picture's root, which has to be the first element.
fn enter(name: &str, inside: bool) -> Result<bool, Wrong> {
    if ELEMENTS.contains(&name) {
        return Err(ACTIVE);
    }
    if inside || name == "svg" { Ok(true) } else { Err("is no SVG picture") }
}

fn attributes(element: &BytesStart<'_>) -> Result<(), Wrong> {
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|_| MALFORMED)?;
        let name = local(attribute.key.local_name().as_ref())?;
        let value = std::str::from_utf8(&attribute.value).map_err(|_| MALFORMED)?;
        let value = unescape(value).map_err(|_| MALFORMED)?;
        let animates = name == "attributename" && {
            let target = value.trim().to_ascii_lowercase();
            target.ends_with("href") || target.starts_with("on") || target == "style"
        };
        if name.starts_with("on") || animates {
            return Err(ACTIVE);
        }
        if ["href", "src", "action", "formaction", "data"].contains(&name.as_str()) && !inner(&value) {
            return Err(ACTIVE);
        }
        // Namespaces are names and fetch nothing.
        if !name.starts_with("xmlns") && attribute.key.prefix().is_none_or(|prefix| prefix.as_ref() != b"xmlns") {
            stylish(&value)?;
        }
    }
    Ok(())
}

/// How references begin that stay inside the picture: to one of its own parts, or to a bitmap that it carries.
const INNER: [&str; 5] = ["#", "data:image/png;", "data:image/jpeg;", "data:image/gif;", "data:image/webp;"];

/// Whether a reference stays inside the picture. Only its beginning is read, however long it is: the rest of a style sheet
/// stands behind each reference in one.
fn inner(reference: &str) -> bool {
    let reference = reference.trim_start().as_bytes();
    let begins =
        |with: &str| reference.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
    INNER.into_iter().any(begins)
}

/// Refuses styles that fetch or run something; a backslash could hide the words for it.
fn stylish(text: &str) -> Result<(), Wrong> {
    let text: String = text.to_ascii_lowercase().chars().filter(|character| !character.is_whitespace()).collect();
    let forbidden = ["@import", "javascript:", "expression(", "-moz-binding", "behavior:", "image-set(", "\\"];
    if forbidden.iter().any(|word| text.contains(word)) {
        return Err(ACTIVE);
    }
    // Blanks are gone, so that nothing but the quotes stands before the reference.
    if text.split("url(").skip(1).all(|after| inner(after.trim_start_matches(['"', '\'']))) {
        Ok(())
    } else {
        Err(ACTIVE)
    }
}

fn local(name: &[u8]) -> Result<String, Wrong> {
    let name = std::str::from_utf8(name).map_err(|_| MALFORMED)?;
    Ok(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(inside: &str) -> Result<PictureKind, PictureRefused> {
        PictureKind::of(format!(r#"<svg xmlns="http://www.w3.org/2000/svg">{inside}</svg>"#).as_bytes())
    }

    #[test]
    fn kinds_are_recognised_by_their_first_bytes() {
        assert_eq!(PictureKind::of(b"\x89PNG\r\n\x1a\nrest"), Ok(PictureKind::Png));
        assert_eq!(PictureKind::of(b"\xff\xd8\xff\xe0rest"), Ok(PictureKind::Jpeg));
        assert_eq!(PictureKind::of(b"%PDF-1.7 rest"), Ok(PictureKind::Pdf));
        for before in ["\u{feff}", "\r\n", "\n\n  ", "@PJL ENTER LANGUAGE = PDF\r\n"] {
            assert_eq!(
                PictureKind::of(format!("{before}%PDF-1.4 rest").as_bytes()),
                Ok(PictureKind::Pdf),
                "{before:?}"
            );
        }
        let late = |before: usize| PictureKind::of(format!("{}%PDF-1.4", " ".repeat(before)).as_bytes());
        assert_eq!(late(1_019), Ok(PictureKind::Pdf));
        assert!(late(1_020).is_err());
        // What looks like a picture is read as one, whatever else it has.
        assert!(PictureKind::of(b"<svg><!-- %PDF-1.4 --><script/></svg>").is_err());
        assert_eq!(PictureKind::of(b"\xef\xbb\xbf<?xml version=\"1.0\"?><!-- a --><svg/>"), Ok(PictureKind::Svg));
        for other in [&b"GIF89a"[..], b"PK\x03\x04", b"", b"MZ", b"plain text", b"<html></html>", b"<svg>", b"<"] {
            assert!(PictureKind::of(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn harmless_pictures_are_taken() {
        for inside in [
            r##"<defs><linearGradient id="a"/></defs><rect fill="url(#a)" style="stroke: url('#a')"/>"##,
            r##"<use href="#a"/><use xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="#a"/>"##,
            r#"<image href="data:image/png;base64,iVBORw0KGgo="/><text>on click = url(x)</text>"#,
            "<style>.a { fill: red }</style><path d='M0 0'/>",
        ] {
            assert_eq!(svg(inside), Ok(PictureKind::Svg), "{inside}");
        }
    }

    #[test]
    fn whatever_runs_or_fetches_is_refused() {
        for inside in [
            "<script>alert(1)</script>",
            "<ScRiPt/>",
            r#"<x:script xmlns:x="http://www.w3.org/2000/svg"/>"#,
            r#"<rect onload="alert(1)"/>"#,
            r#"<rect OnClick="alert(1)"/>"#,
            "<foreignObject><p/></foreignObject>",
            r#"<a href="javascript:alert(1)"/>"#,
            r#"<a href="java&#10;script:alert(1)"/>"#,
            r#"<a href="&#106;avascript:alert(1)"/>"#,
            r#"<image href="https://evil.example/a.png"/>"#,
            r#"<use xlink:href="//evil.example/a.svg#b"/>"#,
            r#"<image href="data:image/svg+xml;base64,PHN2Zz4="/>"#,
            r#"<set attributeName="href" to="javascript:alert(1)"/>"#,
            r#"<animate attributeName="onload" values="alert(1)"/>"#,
            "<style>@import 'https://evil.example/a.css';</style>",
            "<style>a { background: url(https://evil.example) }</style>",
            "<style>a { background: u\\72l(https://evil.example) }</style>",
            "<style><![CDATA[@import 'a']]></style>",
            "<style>@im<![CDATA[port 'a']]></style>",
            "<style>@im<!-- -->port 'a'</style>",
            "<style>a{}<g/>@import 'a'</style>",
            "<style><g></g>@import 'a'</style>",
            r#"<rect style="fill: url(https://evil.example)"/>"#,
            r#"<rect fill="url( 'https://evil.example/a#b' )"/>"#,
            "<iframe/>",
        ] {
            assert!(svg(inside).is_err(), "{inside}");
        }
        for whole in [
            r#"<!DOCTYPE svg [<!ENTITY a "b">]><svg/>"#,
            r#"<?xml-stylesheet href="https://evil.example"?><svg/>"#,
            "<svg><script",
            r#"<?xml version="1.0" encoding="utf-7"?><svg/>"#,
            "<svg></svg><script/>",
        ] {
            assert!(PictureKind::of(whole.as_bytes()).is_err(), "{whole}");
        }
    }
}
