# As stub-pkgs.nix, but what Home Manager's activation needs is built, by this machine's
# own programs: an activation package of it can be run. programs is a folder with stackpolicy,
# stackctl, sd-switch and nix.
{
  lib,
  nixpkgs,
  programs,
}:
let
  stub = import ./stub-pkgs.nix { inherit lib nixpkgs; };

  build =
    name: env: script:
    let
      self = derivation (
        removeAttrs env [
          "meta"
          "passthru"
        ]
        // {
          inherit name;
          system = builtins.currentSystem;
          builder = "/bin/bash";
          args = [
            "-ec"
            ''
              PATH=/usr/bin:/bin
              for input in ''${nativeBuildInputs-}; do PATH=$input/bin:$PATH; done
              substituteInPlace() { sed -i "s|@$3@|$4|" "$1"; }
              eval "$script"
            ''
          ];
          inherit script;
        }
      );
    in
    self
    // {
      pname = name;
      version = "1";
      meta.mainProgram = name;
      override = _: self;
      passthru = { };
    };

  # tools has every program of this machine.
  tools = build "tools" { } ''mkdir "$out" && ln -s /usr/bin "$out/bin"'';

  # lndir takes the place of X.org's: lndir -silent FROM TO.
  lndir = build "lndir" { } ''
    mkdir -p "$out/bin"
    printf '#!/bin/sh\nexec cp -rs "$2/." "$3"\n' >"$out/bin/lndir"
    chmod 755 "$out/bin/lndir"
  '';

  program =
    names:
    build (builtins.head names) { } (
      ''mkdir -p "$out/bin"; ''
      + lib.concatMapStrings (name: ''cp ${programs + "/${name}"} "$out/bin/${name}"; chmod 755 "$out/bin/${name}"; '') names
    );

  writeTextFile =
    {
      name,
      text,
      destination ? "",
      executable ? false,
      ...
    }:
    build (lib.strings.sanitizeDerivationName name) { inherit text; } ''
      mkdir -p "$(dirname "$out${destination}")"
      printf %s "$text" >"$out${destination}"
      chmod ${if executable then "755" else "644"} "$out${destination}"
    '';

  script =
    name: text:
    writeTextFile {
      inherit name;
      text = "#!/bin/bash\n${text}";
      executable = true;
    };
in
stub
// lib.genAttrs [
  "bashInteractive"
  "coreutils"
  "diffutils"
  "findutils"
  "gettext"
  "gnugrep"
  "gnused"
  "jq"
  "ncurses"
  "systemd"
  "podman-compose"
] (_: tools)
// {
  inherit writeTextFile;
  buildPackages = stub.buildPackages // {
    gettext = tools;
  };
  runtimeShell = "/bin/bash";
  inherit lndir;
  xorg = {
    inherit lndir;
  };
  formats = lib.genAttrs [ "ini" "json" "toml" "yaml" "keyValue" ] (_: _: {
    type = lib.types.attrs;
    generate = name: _: build name { } ''touch "$out"'';
  });
  skopeo.policy = build "policy" { } ''mkdir "$out" && touch "$out/default-policy.json"'';
  sd-switch = program [ "sd-switch" ];
  # bash is the first package on the PATH of an activation. The machine's own Nix, which
  # tools has too, must not be found before these; gettext it may not have.
  bash = build "bash" { } ''
    mkdir -p "$out/bin"
    ln -s /bin/bash "$out/bin/bash"
    printf '#!/bin/sh\nfor last; do :; done\nprintf %%s "$last"\n' >"$out/bin/gettext"
    chmod 755 "$out/bin/gettext"
    for name in nix nix-env nix-store nix-build; do cp ${programs + "/nix"} "$out/bin/$name"; chmod 755 "$out/bin/$name"; done
  '';
  stackpolicy = program [
    "stackpolicy"
    "stackctl"
  ];
  podman = build "podman" { } ''
    mkdir -p "$out/share/systemd/user"
    printf '[Timer]\nOnCalendar=daily\n' >"$out/share/systemd/user/podman-auto-update.timer"
  '';
  writeText = name: text: writeTextFile { inherit name text; };
  writeScript = script;
  writeShellScript = script;
  runCommand = build;
  runCommandLocal = build;
  buildEnv = { name, ... }: build name { } ''mkdir "$out"'';
  symlinkJoin = { name, ... }: build name { } ''mkdir "$out"'';
  emptyDirectory = build "empty" { } ''mkdir "$out"'';
  replaceVars =
    file: values:
    writeTextFile {
      name = baseNameOf file;
      text = builtins.replaceStrings (map (name: "@${name}@") (lib.attrNames values)) (map toString (
        lib.attrValues values
      )) (builtins.readFile file);
    };
}
