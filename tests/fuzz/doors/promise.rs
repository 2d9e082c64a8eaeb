//! What is promised of every refusal, whoever makes it. A broken promise is a panic.

/// Words that a text for people must not hold: places in a file as a parser counts them, and
/// forms that only a programmer reads.
const NOT_FOR_PEOPLE: &[&str] =
    &["at line ", "line 1 column", "invalid type: ", "Some(", "None", "Err(", "Error {", "Ok("];

/// Checks the text of a refusal of `input`; what the input itself brought in may be quoted. Control
/// characters are the outlet's to write out (`jaco_shell::say`).
pub fn is_for_people(text: &str, input: &[u8]) {
    assert!(!text.trim().is_empty(), "a refusal without a word");
    let brought = String::from_utf8_lossy(input);
    for word in NOT_FOR_PEOPLE {
        assert!(
            !text.contains(word) || brought.contains(word.trim()),
            "a text for people holds {word:?}: {text}"
        );
    }
}

/// An empty folder in memory, where the system has that.
pub fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("jaco-fuzz-").tempdir_in(parent).expect("a temporary folder")
}

/// An error with its causes, as the programs say it.
pub fn in_full(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        cause = error.source();
    }
    said
}
