# The options of a fleet: the section fleet of config.yaml. Enrolment has no option, because
# the account makes its own key: stackpolicy enroll.
{ lib }:
let
  inherit (lib) mkOption types;
  inherit (import ./described.nix { inherit lib; }) channel label reference;
in
{
  channel = mkOption {
    type = types.nullOr channel;
    default = null;
    example = "stable";
    description = ''
      The channel of releases that the rules come from; null: no releases. The policies of this configuration decide while
      no release is active.
    '';
  };
  labels = mkOption {
    type = types.attrsOf label;
    default = { };
    example.role = "canary";
    description = "In which stages of a release an account is.";
  };
  registry = mkOption {
    type = types.nullOr reference;
    default = null;
    example = "registry.example.org/rules/home";
    description = "An OCI reference to take releases from; null: they come from the hub.";
  };
}
