//! `#[derive(Job)]` and nothing else.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{Attribute, DeriveInput, LitStr, Type, parse_macro_input};

/// Makes a type the args of a kind of job.
///
/// The kind is `#[job(kind = "email.send")]`, or is made of the name of the type: the words behind the first one, a dot,
/// and the first one, so that `SendEmail` is `email.send` and `Cleanup` is `cleanup`. `#[job(queue = "mail")]` names the
/// queue that these jobs go to unless the caller names another. `#[job(output = Report)]` says what its handler returns;
/// any JSON, if it does not.
#[proc_macro_derive(Job, attributes(job))]
pub fn derive_job(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

#[derive(Default)]
struct Wishes {
    kind: Option<LitStr>,
    queue: Option<LitStr>,
    output: Option<Type>,
}

impl Wishes {
    fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut wishes = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("job")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("output") {
                    return match wishes.output.replace(meta.value()?.parse()?) {
                        None => Ok(()),
                        Some(_) => Err(meta.error("expected this once")),
                    };
                }
                let wish = if meta.path.is_ident("kind") {
                    &mut wishes.kind
                } else if meta.path.is_ident("queue") {
                    &mut wishes.queue
                } else {
                    return Err(meta.error("expected kind = \"…\", queue = \"…\" or output = Type"));
                };
                let text: LitStr = meta.value()?.parse()?;
                if !is_name(&text.value()) {
                    let expected = "expected 1 to 128 bytes without control characters or blanks at the ends, and not '.' or '..'";
                    return Err(syn::Error::new(text.span(), expected));
                }
                match wish.replace(text) {
                    None => Ok(()),
                    Some(_) => Err(meta.error("expected this once")),
                }
            })?;
        }
        Ok(wishes)
    }
}

/// The rule for names of queues and kinds, so that a wrong one does not compile.
fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.chars().any(char::is_control)
        && text.trim() == text
        && text != "."
        && text != ".."
}

fn expand(input: &DeriveInput) -> syn::Result<Tokens> {
    let wishes = Wishes::read(&input.attrs)?;
    let kind =
        wishes.kind.unwrap_or_else(|| LitStr::new(&kind_of(&input.ident.to_string()), input.ident.span()));
    let queue = wishes.queue.map(|queue| quote! { const QUEUE: &'static str = #queue; });
    let output = wishes.output.map_or_else(|| quote! { ::longshore::Json }, |output| quote! { #output });
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::longshore::runtime::Job for #name #arguments #bounds {
            const KIND: &'static str = #kind;
            type Output = #output;
            #queue
        }
    })
}

/// The kind that the name of a type stands for.
fn kind_of(name: &str) -> String {
    let words = words(name);
    match words.split_first() {
        Some((verb, object)) if !object.is_empty() => format!("{}.{verb}", object.join("_")),
        _ => words.concat(),
    }
}

/// Splits where a capital follows a small letter or a digit, and before the last of several capitals.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().filter(|letter| *letter != '_').collect();
    let mut words: Vec<String> = Vec::new();
    for (place, letter) in letters.iter().enumerate() {
        let before = place.checked_sub(1).map(|place| letters[place]);
        let begins = letter.is_uppercase()
            && before.is_none_or(|before| {
                !before.is_uppercase() || letters.get(place + 1).is_some_and(|next| next.is_lowercase())
            });
        match words.last_mut().filter(|_| !begins) {
            Some(word) => word.extend(letter.to_lowercase()),
            None => words.push(letter.to_lowercase().collect()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_names_its_kind() {
        for (name, kind) in [
            ("SendEmail", "email.send"),
            ("Cleanup", "cleanup"),
            ("RenderMonthlyReport", "monthly_report.render"),
            ("ParseHTTPLog", "http_log.parse"),
            ("Resize2Images", "images.resize2"),
        ] {
            assert_eq!(kind_of(name), kind);
        }
    }
}
