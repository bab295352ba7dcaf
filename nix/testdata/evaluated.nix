# A Home Manager configuration with this module, evaluated with a real Home Manager and
# nixpkgs' library. The folder nixpkgs has lib and, below nixos/modules/misc,
# assertions.nix and meta.nix. pkgs is a function of { lib, nixpkgs }.
{
  homeManager,
  nixpkgs,
  configuration,
  osConfig ? null,
  pkgs,
}@args:
let
  lib = import (nixpkgs + "/lib");
  extended = import (homeManager + "/modules/lib/stdlib-extended.nix") lib;
  pkgs = args.pkgs { inherit lib nixpkgs; };

  # Home Manager's module for podman is at another path since 26.05.
  podmanModule =
    if builtins.pathExists (homeManager + "/modules/services/podman") then
      homeManager + "/modules/services/podman"
    else
      homeManager + "/modules/services/podman-linux";

  evaluated = extended.evalModules {
    class = "homeManager";
    specialArgs = {
      modulesPath = homeManager + "/modules";
      inherit osConfig;
      podman = podmanModule;
    };
    modules =
      import (homeManager + "/modules/modules.nix") {
        inherit pkgs;
        lib = extended;
        minimal = true;
        useNixpkgsModule = false;
      }
      ++ [
        ../home-manager.nix
        ./stub-options.nix
        configuration
      ];
  };
in
evaluated // { inherit lib; }
