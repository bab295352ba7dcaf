# The options of alerts: who is told of what. docs/alerts.md says what each means.
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
      file = unset (types.either types.path types.str) "Absolute path of a file that its owner alone may read.";
      credential = unset types.str "One of services.stackpolicy.credentials.";
    };
  };

  route = severities: {
    severity = unset (types.enum severities) "The least severity that it is told of; null: the program's default.";
    repeat = unset duration "How long until it is told again of what stands; null: the program's default.";
  };

  sink = [
    "page"
    "ticket"
  ];
in
{
  journal = mkOption {
    default = { };
    description = "What the journal is told of.";
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
      user = unset types.str "For basic authentication, with password.";
      password = unset secret "Where the password stands.";
      token = unset secret "Where a bearer token stands.";
    };
  }) "An Alertmanager that is told.";
  webhooks = mkOption {
    default = { };
    description = "Services that take a request for each alert, by name.";
    type = types.attrsOf (types.submodule {
      options = route sink // {
        url = mkOption {
          type = types.either types.str secret;
          description = "Where it listens, or where that stands when it is a secret.";
        };
        method = unset (types.enum [ "POST" "PUT" ]) "The request's method; null: POST.";
        headers = mkOption {
          type = types.attrsOf types.str;
          default = { };
          description = "Headers of the request; no secrets, as they stand in the Nix store.";
        };
        body = unset types.lines "A template of the body; null: the alert as JSON.";
        token = unset secret "Where a bearer token stands.";
      };
    });
  };
}
