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

  inherit (import ./described.nix { inherit lib; })
    address
    described
    duration
    place
    promFile
    ;

  # A secret is its file or its credential. The path of the file alone is enough.
  secret =
    described
      ''secret: where it is, such as "/run/secrets/NAME" or { credential = "NAME"; }, and never the secret itself''
      (types.coercedTo place (file: { inherit file; }) (types.submodule {
        options = {
          file = unset place "Absolute path of a file that only its owner may read.";
          credential = unset types.str "A name in services.stackpolicy.credentials.";
        };
      }));

  # sinkAt is a sink of which the address alone is enough.
  sinkAt =
    options:
    described ''sink, such as { url = "https://example.org"; severity = "page"; }, or its URL alone'' (
      types.coercedTo address (url: { inherit url; }) (types.submodule { inherit options; })
    );

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
  textfile = unset promFile "A file for node_exporter's textfile collector.";
  alertmanager = mkOption {
    default = null;
    example = "http://127.0.0.1:9093";
    description = "An Alertmanager that alerts are sent to; its URL alone is enough.";
    type = types.nullOr (sinkAt (route sink // {
      url = mkOption {
        type = address;
        example = "http://127.0.0.1:9093";
        description = "Alertmanager's address, without /api/v2/alerts.";
      };
      user = unset types.str "User for basic authentication, together with password.";
      password = unset secret "Where the password is.";
      token = unset secret "Where a bearer token is.";
    }));
  };
  webhooks = mkOption {
    default = { };
    example.phone = {
      url = "https://ntfy.sh/ada-stacks";
      token.credential = "ntfy";
    };
    description = "Services that get one request for each alert, by name; the URL alone is enough.";
    type = types.attrsOf (sinkAt (route sink // {
      url = mkOption {
        type = types.either address secret;
        example.file = "/run/secrets/chat-url";
        description = "The URL, or where it is if it is a secret.";
      };
      method = unset (types.enum [ "POST" "PUT" ]) "The request's method; null: POST.";
      headers = mkOption {
        type = types.attrsOf types.str;
        default = { };
        example.Content-Type = "text/plain";
        description = "Headers of the request. No secrets: the headers are in the Nix store.";
      };
      body = unset types.lines "A template of the body; null: the alert as JSON.";
      token = unset secret "Where a bearer token is.";
    }));
  };
}
