# Types of options whose errors say what to write. Nix prints a type's description: that of
# strMatching is a regular expression.
{ lib }:
let
  inherit (lib) types;

  matching =
    pattern: description:
    types.strMatching pattern
    // {
      description = "${description}";
      descriptionClass = "noun";
    };

  checked =
    type: check: description:
    types.addCheck type check
    // {
      inherit description;
      descriptionClass = "noun";
    };

  suffix = "\\.(service|socket|target|timer|path|slice|mount|automount|scope)";
in
rec {
  duration = matching "([0-9]+[hms])+" ''duration, such as "90s", "4m" or "1h30m"'';

  fineDuration = matching "([0-9]+(h|m|s|ms))+" ''duration, such as "500ms", "30m" or "6h"'';

  service = matching "[^[:space:]/]+\\.service" ''name of a service with its suffix, such as "web.service"'';

  unit = matching "[^[:space:]/]+${suffix}" ''name of a unit with its suffix, such as "web.service"'';

  # A pattern without a suffix would match nothing, and a folder is none.
  pattern = matching "[^[:space:]/]*([*]|[.][^[:space:]/]+)" ''name or pattern of units, such as "web.service" or "lab-*.service"'';

  # Where findings are about no unit, their subject is the host.
  subject = matching "host|[^[:space:]/]*([*]|[.][^[:space:]/]+)" ''"host", or a name or pattern of units, such as "lab-*.service"'';

  project = matching "[a-z0-9][a-z0-9_-]*" ''name of a compose project: small letters, digits, _ and -'';

  instant =
    matching
      "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})"
      ''time with a zone, such as "2026-12-24T18:00:00Z"'';

  words = matching "[^[:cntrl:]]{1,200}" "text of one line, of 1 to 200 characters";

  mode = matching "0?[0-7]{3}" ''permissions in octal, such as "0640"'';

  address = matching "https?://[^[:space:]]+" ''URL, such as "https://example.org/path"'';

  promFile = matching "/.*\\.prom" ''absolute path of a file NAME.prom, such as "/var/lib/node-exporter/stackpolicy.prom"'';

  channel = matching "[a-z][a-z0-9-]{0,31}" ''name of a channel of releases: small letters, digits and -, such as "stable"'';

  label = matching "[A-Za-z0-9][A-Za-z0-9._-]{0,62}" ''label of letters, digits, dots, _ and -, such as "canary"'';

  # reference is of an OCI registry. It has no scheme.
  reference =
    checked types.str
      (r: builtins.match "[^[:space:][:cntrl:]]+" r != null && lib.hasInfix "/" r && !(lib.hasInfix "://" r) && lib.stringLength r <= 300)
      ''reference of an OCI registry without a scheme, such as "registry.example.org/rules/home"'';

  # place is where a file is: a Nix path, or a path on the host, which may be agenix's.
  place =
    checked (types.either types.path types.str)
      (p: !(builtins.isString p) || lib.hasPrefix "/" p || lib.hasPrefix "\${XDG_RUNTIME_DIR}/" p)
      ''absolute path, such as "/run/secrets/NAME", or a Nix path without quotes, such as ./compose.yaml'';

  # described gives a type another description. The module system makes a type of submodules
  # again where it is used, by substSubModules.
  described =
    description: type:
    type
    // {
      inherit description;
      descriptionClass = "noun";
      substSubModules = modules: described description (type.substSubModules modules);
    };
}
