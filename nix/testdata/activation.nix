# Home Manager's activation package, to be built and run.
{
  homeManager,
  nixpkgs,
  configuration,
  programs,
}:
let
  evaluated = import ./evaluated.nix {
    inherit homeManager nixpkgs configuration;
    pkgs = { lib, nixpkgs }: import ./host-pkgs.nix { inherit lib nixpkgs programs; };
  };
  inherit (evaluated) lib config;
in
lib.asserts.checkAssertWarn config.assertions config.warnings config.home.activationPackage
