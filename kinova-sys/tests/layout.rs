//! Every size, alignment and offset against those measured in the SDK's own binaries
//! (`fixtures/kinova-layout-x86_64.txt`).

#[cfg(kinova_vendor_headers)]
#[allow(dead_code, non_camel_case_types, non_snake_case, non_upper_case_globals)]
#[allow(unnecessary_transmutes)]
mod vendor {
    include!(concat!(env!("OUT_DIR"), "/vendor.rs"));
}

include!(concat!(env!("OUT_DIR"), "/declared.rs"));

#[derive(Debug, PartialEq)]
struct Layout {
    name: String,
    size: usize,
    align: usize,
    /// Name, offset and size of each field.
    fields: Vec<(String, usize, usize)>,
}

fn field_size<S, F>(_: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

/// The layout file, read independently of the build script.
fn measured() -> Vec<Layout> {
    let mut layouts: Vec<Layout> = Vec::new();
    for line in include_str!("fixtures/kinova-layout-x86_64.txt").lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |word: &str| -> usize {
            word.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
        };
        match words[..] {
            ["###", name, size, align, ..] => layouts.push(Layout {
                name: name.to_owned(),
                size: number(size),
                align: number(align),
                fields: Vec::new(),
            }),
            [offset, .., field, size] => {
                let name = field.split('[').next().expect("a name").to_owned();
                let fields = &mut layouts.last_mut().expect("a struct").fields;
                fields.push((name, number(offset), number(size)));
            }
            _ => panic!("not a line of a layout file: {line:?}"),
        }
    }
    layouts
}

fn assert_measured(declared: Vec<Layout>) {
    let (left_out, expected): (Vec<_>, Vec<_>) =
        measured().into_iter().partition(|layout| LEFT_OUT.contains(&layout.name.as_str()));
    assert_eq!(left_out.len(), LEFT_OUT.len(), "a struct left out is not in the layout file");
    for (declared, expected) in declared.iter().zip(&expected) {
        assert_eq!(declared, expected);
    }
    assert_eq!(declared.len(), expected.len(), "a struct of the layout file is not compared");
}

#[test]
fn the_layout_file_is_read_whole() {
    let measured = measured();
    assert_eq!(measured.len(), 37);
    assert_eq!(measured.iter().map(|layout| layout.fields.len()).sum::<usize>(), 325);
}

#[test]
fn our_header_has_the_measured_layout() {
    assert_measured(declared!(kinova_sys));
}

#[cfg(kinova_vendor_headers)]
#[test]
fn the_vendors_headers_have_the_measured_layout() {
    assert_measured(declared!(vendor));
}
