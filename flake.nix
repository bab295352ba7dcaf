{
  description = "Audit of systemd user units that run container stacks";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  # Only the checks use it.
  inputs.home-manager.url = "github:nix-community/home-manager";
  inputs.home-manager.inputs.nixpkgs.follows = "nixpkgs";

  outputs =
    {
      self,
      nixpkgs,
      home-manager,
    }:
    let
      inherit (nixpkgs) lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each =
        make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system} self.packages.${system});
      revision = self.shortRev or self.dirtyShortRev or null;
    in
    {
      overlays.default = final: _: {
        stackpolicy = final.callPackage ./nix/package.nix { inherit revision; };
      };

      packages = each (
        pkgs: own: {
          default = own.stackpolicy;
          stackpolicy = pkgs.callPackage ./nix/package.nix { inherit revision; };
          # A page of the modules' options.
          options = (pkgs.nixosOptionsDoc {
            options =
              let
                of = import ./nix/options.nix { inherit lib pkgs; };
              in
              lib.recursiveUpdate of.home of.nixos;
          }).optionsCommonMark;
        }
      );

      apps = each (
        _: own:
        let
          app = name: {
            type = "app";
            program = "${own.stackpolicy}/bin/${name}";
            inherit (own.stackpolicy) meta;
          };
        in
        {
          default = app "stackpolicy";
          stackpolicy = app "stackpolicy";
          stackctl = app "stackctl";
          stackfleet = app "stackfleet";
        }
      );

      homeModules.default = ./nix/home-manager.nix;
      homeModules.stackpolicy = ./nix/home-manager.nix;
      homeManagerModules = self.homeModules; # the older name
      nixosModules.default = ./nix/nixos.nix;
      nixosModules.stackpolicy = ./nix/nixos.nix;

      formatter = each (pkgs: _: pkgs.nixfmt-tree);

      checks = each (
        pkgs: own: {
          package = own.stackpolicy;
          inherit (own.stackpolicy.tests) version;
          inherit (own) options;
          machine = import ./nix/machine-test.nix { inherit pkgs home-manager self; };
          policies =
            pkgs.runCommand "stackpolicy-policies-check"
              {
                nativeBuildInputs = [ own.stackpolicy ];
              }
              ''
                export HOME="$PWD"
                stackpolicy policy check --policy ${./policies}
                stackpolicy policy test --policy ${./policies}
                touch "$out"
              '';
          nix =
            pkgs.runCommand "stackpolicy-nix-check"
              {
                nativeBuildInputs = [ pkgs.nix ];
                NIX_REMOTE = "dummy://";
              }
              ''
                export HOME="$PWD"
                cp -r ${./nix} nix && cp -r ${./units} units
                for golden in nix/testdata/golden/*.json; do
                  name="$(basename "$golden" .json)"
                  nix-instantiate --eval --strict --json nix/testdata/cases.nix --attr "$name" >got.json
                  diff <(${pkgs.jq}/bin/jq -S . "$golden") <(${pkgs.jq}/bin/jq -S . got.json)
                done
                touch "$out"
              '';
        }
      );

      devShells = each (
        pkgs: _: {
          default = pkgs.mkShell {
            packages = [
              pkgs.go
              pkgs.gopls
              pkgs.nix
              pkgs.nixfmt
              pkgs.open-policy-agent
              pkgs.podman-compose
              pkgs.prometheus
            ];
          };
        }
      );
    };
}
