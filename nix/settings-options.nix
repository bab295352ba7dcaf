# The options of what the rules decide by: policies/settings.yaml says what each
# means, and has what null stands for.
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

  duration = types.strMatching "([0-9]+(h|m|s|ms))+";
  window = types.enum [
    "1h"
    "24h"
  ];
  instant = types.strMatching "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})";
  words = types.strMatching "[^[:cntrl:]]{1,200}";

  required =
    type: example: description:
    mkOption { inherit type example description; };
in
{
  settings = {
    restart = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "lab-*.service" ];
      description = "Patterns of units that may be restarted as a heal, besides the stacks that opt in themselves.";
    };
    trustDistributionDropins = unset types.bool "Whether drop-ins below /usr/lib/systemd/user are trusted.";
    grace = mkOption {
      type = types.attrsOf duration;
      default = { };
      example = {
        loaded_is_current = "30m";
      };
      description = "How long a finding may stand although its heal was tried, by invariant.";
    };
    budget = {
      unit = unset types.ints.positive "How many actions may be begun on one unit within the window.";
      host = unset types.ints.positive "How many on the host, units included.";
      window = unset window "The window.";
    };
    breaker = {
      failures = unset types.ints.positive "After how many heals in a day that did not help no more are tried.";
      cooldown = unset duration "For how long.";
    };
    repeat = {
      drift = unset types.ints.positive "How many heals of one finding within the window are a finding themselves.";
      window = unset window "The window.";
    };
    settle = unset duration "How long unit files must have stood still before anything rests on them.";
  };

  waivers = mkOption {
    default = [ ];
    description = "Findings that do not count until a given time.";
    type = types.listOf (types.submodule {
      options = {
        invariant = required types.str "verify_gate_present" "An invariant, or a pattern of several.";
        units = required (types.nonEmptyListOf types.str) [ "lab-*.service" ] "Patterns of units; host is what is about no unit.";
        reason = required words "rebuilt next month" "Why.";
        owner = required words "ada" "Who says so.";
        until = required instant "2026-12-24T18:00:00Z" "From when on it counts again: RFC 3339, with a zone.";
      };
    });
  };
}
