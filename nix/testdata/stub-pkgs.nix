# The part of nixpkgs that Home Manager needs to be evaluated: derivations that are never
# built, and functions that write texts, which are remembered by path.
{
  lib,
  nixpkgs,
  canExecute ? true,
}:
let
  drv =
    name: extra:
    derivation {
      inherit name;
      system = "x86_64-linux";
      builder = "/bin/sh";
      inputs = extra.inputs or [ ];
    }
    // {
      meta.mainProgram = name;
      pname = name;
      version = "1";
      override = _: drv name extra;
      passthru = { };
    }
    // extra;

  package = name: drv name { };

  # As with the real function, instantiating a user of it evaluates the text.
  runCommand =
    name: env: script:
    drv name rec {
      text = env.text or script;
      checkedBy = map (p: p.name) (env.nativeBuildInputs or [ ]);
      inputs = [
        text
        script
      ];
    };

  writeTextFile =
    { name, text, ... }:
    drv name { inherit text; }
    // {
      outPath = builtins.toFile (lib.strings.sanitizeDerivationName name) (builtins.unsafeDiscardStringContext text);
    };
in
lib.genAttrs [
  "bash"
  "coreutils"
  "gettext"
  "glibcLocales"
  "gnugrep"
  "gnused"
  "jq"
  "less"
  "man"
  "man-db"
  "nix"
  "ncurses"
  "podman"
  "podman-compose"
  "sd-switch"
  "shared-mime-info"
  "systemd"
  "findutils"
  "diffutils"
  "inetutils"
  "unixtools"
  "stackpolicy"
  "emptyDirectory"
  "dconf"
  "python3"
  "bashInteractive"
] package
// {
  inherit lib writeTextFile;
  path = nixpkgs;
  skopeo = package "skopeo" // {
    policy = package "policy";
  };
  system = "x86_64-linux";
  stdenv = {
    hostPlatform = lib.systems.elaborate "x86_64-linux";
    buildPlatform = lib.systems.elaborate "x86_64-linux" // {
      canExecute = _: canExecute;
    };
    isLinux = true;
    isDarwin = false;
  };
  runtimeShell = "/bin/sh";
  formats = lib.genAttrs [ "ini" "json" "toml" "yaml" "keyValue" "xml" "iniWithGlobalSection" ] (_: _: {
    type = lib.types.attrs;
    generate = name: _: package name;
  });
  callPackage = _: _: package "stackpolicy";
  buildPackages.callPackage = _: _: package "stackpolicy-of-builder";
  writeText = name: text: writeTextFile { inherit name text; };
  writeScript = name: text: writeTextFile { inherit name text; };
  writeShellScript = name: text: writeTextFile { inherit name text; };
  writeShellScriptBin = name: _: package name;
  inherit runCommand;
  runCommandLocal = runCommand;
  buildEnv = { name, ... }: package name;
  symlinkJoin = { name, ... }: package name;
  replaceVars = _: _: package "replaced";
  substituteAll = _: package "replaced";
}
