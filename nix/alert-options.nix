# The options of alerts: which sink is sent which findings. docs/alerts.md explains
# each.
{ lib }:
let
  inherit (lib) mkOption types;

  unset =
    type: description:
    mkOption {
      inherit description;
      type = types.nullOr type;
      default = null;
    };

  duration = types.strMatching "([0-9]+[hms])+";

  secret = types.submodule {
    options = {
      file = unset (types.either types.path types.str) "Absolute path of a file that only its owner may read.";
      credential = unset types.str "A name in services.stackpolicy.credentials.";
    };
  };

  route = severities: {
    severity = unset (types.enum severities) "The least severe findings that are sent; null: the program's default.";
    repeat = unset duration "After this time an open finding is sent again; null: the program's default.";
  };

  sink = [
    "page"
    "ticket"
  ];
in
{
  journal = mkOption {
    default = { };
    description = "What is written to the journal.";
    type = types.submodule { options = route (sink ++ [ "none" ]); };
  };
  textfile = unset (types.strMatching "/.*\\.prom") "A file for node_exporter's textfile collector.";
  alertmanager = unset (types.submodule {
    options = route sink // {
      url = mkOption {
        type = types.str;
        example = "http://127.0.0.1:9093";
        description = "Alertmanager's address, without /api/v2/alerts.";
      };
      user = unset types.str "User for basic authentication, together with password.";
      password = unset secret "Where the password is.";
      token = unset secret "Where a bearer token is.";
    };
  }) "An Alertmanager that alerts are sent to.";
  webhooks = mkOption {
    default = { };
    description = "Services that get one request for each alert, by name.";
    type = types.attrsOf (types.submodule {
      options = route sink // {
        url = mkOption {
          type = types.either types.str secret;
          description = "The URL, or where it is if it is a secret.";
        };
        method = unset (types.enum [ "POST" "PUT" ]) "The request's method; null: POST.";
        headers = mkOption {
          type = types.attrsOf types.str;
          default = { };
          description = "Headers of the request. No secrets: the headers are in the Nix store.";
        };
        body = unset types.lines "A template of the body; null: the alert as JSON.";
        token = unset secret "Where a bearer token is.";
      };
    });
  };
}
