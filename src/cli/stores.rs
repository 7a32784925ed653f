//! What the help says about stores.

use crate::store::service::{COMMON, Service, ServiceOption};

/// The addresses of stores and their options.
pub fn help() -> String {
    let mut text = String::from(
        "Addresses of repositories: a folder, or the URL of a service. Options stand behind a `?` with `&` between \
         them (quote them in a shell), or in the table of the address in stores.toml, \
         $XDG_CONFIG_HOME/esker/stores.toml or --stores-file. Secrets come from there or from the environment, \
         and never stand in an address.\n\n  \
         sftp://USER@HOST:PORT/FOLDER  an SFTP server, by the system's ssh (tested with OpenSSH)\n  \
         ssh://USER@HOST:PORT/FOLDER  esker at the far end, by the system's ssh (tested)\n",
    );
    for service in Service::ALL {
        let (scheme, container) = (service.scheme(), service.container().to_uppercase());
        let tested = if service.is_tested() { "tested" } else { "not tested, it compiles" };
        let writers = match service.is_for_several_writers() {
            true => "",
            false => "; for one writer at a time",
        };
        let built = if service.is_built() { "" } else { "; not in this build" };
        text += &format!(
            "\n  {scheme}://{container}/FOLDER  {} ({tested}{writers}{built})\n",
            service.about()
        );
        service.options().iter().for_each(|option| text += &line(option));
    }
    text += "\n  of every service\n";
    COMMON.iter().for_each(|option| text += &line(option));
    text
}

fn line(option: &ServiceOption) -> String {
    let name = option.name;
    let variables = match option.variables {
        [] => String::new(),
        names => format!("; {}", names.join(", ")),
    };
    let place = if option.is_secret { " [stores.toml]" } else { "" };
    format!("    {name}: {}{variables}{place}\n", option.about)
}
