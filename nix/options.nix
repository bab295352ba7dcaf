# The options of both modules, for documents. Nothing of Home Manager or NixOS is
# evaluated.
{ lib, pkgs }:
let
  of =
    options:
    (lib.evalModules {
      modules = [
        {
          inherit options;
          config._module.check = false;
        }
      ];
    }).options;
in
{
  home = of {
    services.stackpolicy = import ./module-options.nix {
      inherit lib pkgs;
      osConfig = { };
      cfg = throw "an option's default has no text for the documents";
    };
  };
  nixos = of { services.stackpolicy = import ./system-options.nix { inherit lib; }; };
}
