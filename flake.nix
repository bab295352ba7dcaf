{
  description = "Audit of systemd user units that run container stacks";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      overlays.default = final: _: { stackpolicy = final.callPackage ./nix/package.nix { }; };

      packages = each (pkgs: {
        default = pkgs.callPackage ./nix/package.nix { };
      });

      homeModules.default = ./nix/home-manager.nix;
      nixosModules.default = ./nix/nixos.nix;

      checks = each (
        pkgs:
        let
          package = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
        in
        {
          inherit package;
          policies =
            pkgs.runCommand "stackpolicy-policies-check"
              {
                nativeBuildInputs = [ package ];
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

      devShells = each (pkgs: {
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
      });
    };
}
