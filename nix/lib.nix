# Everything that the modules generate, as plain functions from option values to
# attribute sets and texts. They use only builtins, so they can be evaluated and
# tested without nixpkgs. Start at configuration.nix and units.nix.
let
  text = import ./text.nix;
  stages = import ./stages.nix;
  timeouts = import ./timeouts.nix { inherit text; };
  units = import ./units.nix { inherit text stages timeouts; };
in
text
// stages
// timeouts
// import ./configuration.nix { inherit text stages; }
// units
// import ./artifacts.nix
// import ./refusals.nix { inherit stages timeouts units; }
