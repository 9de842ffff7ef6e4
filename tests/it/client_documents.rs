//! Man pages and shell completions, made from the clap definitions. `KMSIGND_UPDATE_DOCS=1 cargo test --test it client_documents`
//! writes them anew; a stale file fails.

use std::fmt::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use kmsignd::cli::{Cli, EX_CANTCREAT, EX_CONFIG, EX_DATAERR, EX_INCOMPLETE, EX_IOERR, EX_NOINPUT, EX_SOFTWARE, EX_UNAVAILABLE};
use kmsignd::client::{self, DEFAULT_SOCKET, Exit};

#[test]
fn man_page_of_kmsign_is_as_its_definitions() {
    let mut page = man_page(client::command(), "1", "kmsignd");
    page.push_str(&section("EXIT STATUS", |roff| {
        for exit in Exit::ALL {
            roff.control("TP", []).text([bold(exit.code().to_string())]).text([roman(exit.meaning())]);
        }
    }));
    page.push_str(&section("ENVIRONMENT", |roff| {
        let variables = [
            ("KMSIGN_SOCKET", "The daemon's socket, where --socket is not given."),
            ("NO_COLOR", "If set and not empty, nothing is coloured. Nothing but a terminal gets colours anyway."),
        ];
        for (name, meaning) in variables {
            roff.control("TP", []).text([bold(name)]).text([roman(meaning)]);
        }
    }));
    page.push_str(&section("FILES", |roff| {
        roff.control("TP", [])
            .text([bold(DEFAULT_SOCKET)])
            .text([roman("The packaged daemon's socket; members of the group kmsign may connect.")]);
    }));
    page.push_str(&see_also("kmsignd", "8"));
    assert_current("man/kmsign.1", &page);
}

#[test]
fn man_page_of_kmsignd_is_as_its_definitions() {
    let mut page = man_page(Cli::command(), "8", "kmsignd");
    page.push_str(&section("EXIT STATUS", |roff| {
        let codes = [
            (0, "Stopped as asked, or everything that was checked is good."),
            (EX_INCOMPLETE, "A restore is through, and not every wallet came back: its report says which."),
            (EX_DATAERR, "The store or the backup is damaged, foreign, of a newer version, or not wholly restored."),
            (EX_NOINPUT, "There is no such store or backup."),
            (
                EX_UNAVAILABLE,
                "It could not start: the socket, the store or KMS's client. A restore: KMS or MongoDB could not be asked.",
            ),
            (EX_SOFTWARE, "The demo did not come out as it should."),
            (EX_CANTCREAT, "There is a store or a file already, and none is replaced."),
            (EX_IOERR, "A file could not be written."),
            (EX_CONFIG, "Configuration or policy is wrong."),
        ];
        for (code, meaning) in codes {
            roff.control("TP", []).text([bold(code.to_string())]).text([roman(meaning)]);
        }
    }));
    page.push_str(&section("FILES", |roff| {
        let files = [
            ("/etc/kmsignd/kmsignd.toml", "The configuration."),
            ("/etc/kmsignd/policy.d/*.cedar", "The policies, all of which are in force."),
            ("/var/lib/kmsignd/kmsignd.db", "Wallets, audit and stored answers."),
            (DEFAULT_SOCKET, "The socket."),
        ];
        for (path, meaning) in files {
            roff.control("TP", []).text([bold(path)]).text([roman(meaning)]);
        }
    }));
    page.push_str(&see_also("kmsign", "1"));
    assert_current("man/kmsignd.8", &page);
}

#[test]
fn completions_are_as_the_definitions() {
    assert_completions(client::command());
    assert_completions(Cli::command());
}

fn assert_completions(mut command: Command) {
    let name = command.get_name().to_owned();
    for (shell, file) in
        [(Shell::Bash, format!("{name}.bash")), (Shell::Zsh, format!("_{name}")), (Shell::Fish, format!("{name}.fish"))]
    {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, &name, &mut script);
        assert_current(&format!("completions/{file}"), &String::from_utf8(script).unwrap());
    }
}

/// One page for the whole program: its own options, then every command in full, so that one search finds everything.
fn man_page(command: Command, number: &str, manual: &str) -> String {
    let mut command = command.disable_help_subcommand(true).subcommand_value_name("COMMAND");
    command.build();
    let source = format!("{} {}", command.get_name(), command.get_version().unwrap());
    let title = command.get_name().to_uppercase();
    let program = Man::new(command.clone()).title(title).section(number).source(source).manual(manual);
    let mut page = String::from(PREAMBLE);
    for render in [
        Man::render_title,
        Man::render_name_section,
        Man::render_synopsis_section,
        Man::render_description_section,
        Man::render_options_section,
    ] {
        page.push_str(&body(&program, render));
    }
    page.push_str(".SH COMMANDS\n");
    for mut leaf in leaves(&command) {
        let name = leaf.get_bin_name().unwrap().to_owned();
        let usage = leaf.render_usage().to_string();
        let about = leaf.get_long_about().or(leaf.get_about()).unwrap().to_string();
        let examples = leaf.get_after_help().map(ToString::to_string);
        let own = leaf.mut_args(|argument| {
            let hidden = argument.is_global_set() || argument.get_id() == "help" || argument.get_id() == "version";
            argument.hide(hidden)
        });
        let has_options = own.get_arguments().any(|argument| !argument.is_hide_set());
        let man = Man::new(own);
        writeln!(page, ".SS \"{name}\"").unwrap();
        page.push_str(&paragraphs(&format!("{}\n\n{about}", usage.trim_start_matches("Usage: "))));
        if has_options {
            page.push_str(&without_heading(&body(&man, Man::render_options_section)));
        }
        if let Some(examples) = examples {
            page.push_str(".PP\n");
            page.push_str(&literally(&examples));
        }
    }
    if let Some(examples) = command.get_after_help() {
        page.push_str(".SH EXAMPLES\n");
        page.push_str(&literally(examples.to_string().trim_start_matches("Examples:\n")));
    }
    page
}

/// Straight apostrophes, as the roff crate has them.
const PREAMBLE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

fn leaves(command: &Command) -> Vec<Command> {
    if command.get_subcommands().next().is_none() {
        vec![command.clone()]
    } else {
        command.get_subcommands().flat_map(leaves).collect()
    }
}

type Render = fn(&Man, &mut dyn std::io::Write) -> std::io::Result<()>;

fn body(man: &Man, render: Render) -> String {
    let mut text = Vec::new();
    render(man, &mut text).unwrap();
    without_preamble(&String::from_utf8(text).unwrap())
}

fn without_preamble(text: &str) -> String {
    text.strip_prefix(PREAMBLE).unwrap().to_owned()
}

fn without_heading(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with(".SH ")).fold(String::new(), |text, line| text + line + "\n")
}

fn section(name: &str, fill: impl FnOnce(&mut Roff)) -> String {
    let mut roff = Roff::new();
    roff.control("SH", [name]);
    fill(&mut roff);
    without_preamble(&roff.render())
}

fn see_also(name: &str, number: &str) -> String {
    section("SEE ALSO", |roff| {
        roff.text([bold(name), roman(format!("({number})"))]);
    })
}

fn paragraphs(text: &str) -> String {
    let mut roff = Roff::new();
    for line in text.lines() {
        if line.is_empty() {
            roff.control("PP", [])
        } else {
            roff.text([roman(line)])
        };
    }
    without_preamble(&roff.render())
}

fn literally(text: &str) -> String {
    let mut roff = Roff::new();
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
    without_preamble(&roff.render())
}

fn assert_current(file: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging").join(file);
    if std::env::var_os("KMSIGND_UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "packaging/{file} is stale; KMSIGND_UPDATE_DOCS=1 cargo test --test it client_documents writes it anew"
    );
}
