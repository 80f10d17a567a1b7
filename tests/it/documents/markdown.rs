//! Just enough of Markdown.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's folder.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A Markdown file.
pub(super) struct Document {
    /// Its path below the repository's folder.
    pub(super) path: PathBuf,
    text: String,
}

/// A fenced block.
pub(super) struct Block {
    /// The line of its first text.
    pub(super) line: usize,
    /// The words after the fence: the language first.
    pub(super) info: Vec<String>,
    /// Its text.
    pub(super) text: String,
}

/// A command of a console block, and the output that is shown.
pub(super) struct Shown {
    /// The line of the command.
    pub(super) line: usize,
    /// The command, with its continuation lines.
    pub(super) text: String,
    /// The output, without blank lines at the end.
    pub(super) output: Vec<String>,
}

impl Document {
    /// Every Markdown file of the project, in order of their paths.
    pub(super) fn all() -> Vec<Self> {
        let (mut folders, mut found) = (vec![root().to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                if path.is_dir() && !["target", "node_modules", "vectors", ".git"].contains(&&*name)
                {
                    folders.push(path);
                } else if name.ends_with(".md") {
                    found.push(Self::read(&path));
                }
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// Reads one file.
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        Self { path: path.strip_prefix(root()).unwrap_or(path).to_owned(), text }
    }

    /// The fenced blocks.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let (mut blocks, mut open): (Vec<Block>, bool) = (Vec::new(), false);
        for (at, line) in self.text.lines().enumerate() {
            match line.trim_start().strip_prefix("```") {
                Some(_) if open => open = false,
                Some(info) => {
                    open = true;
                    let info = info.split([' ', ',']).map(str::to_owned).collect();
                    blocks.push(Block { line: at + 2, info, text: String::new() });
                }
                None if open => {
                    let text = &mut blocks.last_mut().unwrap().text;
                    text.push_str(line);
                    text.push('\n');
                }
                None => {}
            }
        }
        assert!(!open, "{}: a block does not end", self.path.display());
        blocks
    }

    /// The lines outside of blocks, with their numbers.
    fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut open = false;
        self.text.lines().enumerate().filter_map(move |(at, line)| {
            let is_fence = line.trim_start().starts_with("```");
            open ^= is_fence;
            (!open && !is_fence).then_some((at + 1, line))
        })
    }

    /// Links to files and headings of the project, with their lines.
    pub(super) fn links(&self) -> Vec<(usize, String)> {
        let link = regex_lite::Regex::new(r"\]\(([^)\s]+)\)").unwrap();
        let local = |target: &str| !target.contains("://") && !target.contains("::");
        let links = self.prose().flat_map(|(at, line)| {
            link.captures_iter(line).map(move |found| (at, found[1].to_owned())).collect::<Vec<_>>()
        });
        links.filter(|(_, target)| local(target) && !target.starts_with("mailto:")).collect()
    }

    /// Returns true if GitHub gives a heading this anchor.
    pub(super) fn has_heading(&self, anchor: &str) -> bool {
        let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        self.prose().filter(|(_, line)| line.starts_with('#')).any(|(_, line)| {
            let heading = line.trim_start_matches('#').trim().to_lowercase();
            heading.chars().filter(kept).collect::<String>().replace(' ', "-") == anchor
        })
    }
}

impl Block {
    /// Returns true if the block is in this language.
    pub(super) fn is(&self, language: &str) -> bool {
        self.info.first().is_some_and(|it| it == language)
    }

    /// Returns true if the block is run.
    pub(super) fn runs(&self) -> bool {
        self.is("console") && self.info.iter().any(|it| it == "run")
    }

    /// The file that the block shows, by its first line: `# name.toml`.
    pub(super) fn file(&self) -> Option<&str> {
        let name = self.text.lines().next()?.strip_prefix("# ")?.split([' ', ':']).next()?;
        let is_file = name.ends_with(".toml") || name.ends_with(".yaml");
        (is_file && !name.contains('/')).then_some(name)
    }

    /// The commands of a console block.
    pub(super) fn commands(&self) -> Vec<Shown> {
        let mut commands: Vec<Shown> = Vec::new();
        for (at, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(text), _) => {
                    let text = text.to_owned();
                    commands.push(Shown { line: self.line + at, text, output: Vec::new() });
                }
                (None, Some(command)) if command.output.is_empty() && goes_on(&command.text) => {
                    command.text.push('\n');
                    command.text.push_str(line);
                }
                (None, Some(command)) => command.output.push(line.to_owned()),
                (None, None) => {}
            }
        }
        for command in &mut commands {
            while command.output.last().is_some_and(|line| line.trim().is_empty()) {
                command.output.pop();
            }
        }
        commands
    }
}

/// Returns true if a shell would read another line: after a backslash or a pipe, or in quotes.
fn goes_on(text: &str) -> bool {
    let (mut quote, mut escaped) = (None, false);
    for c in text.chars() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', None | Some('"')) => escaped = true,
            (_, Some(open)) if c == open => quote = None,
            ('\'' | '"', None) => quote = Some(c),
            _ => {}
        }
    }
    escaped || quote.is_some() || text.ends_with('|')
}
