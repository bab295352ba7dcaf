# The options of services.stackpolicy in Home Manager.
{
  lib,
  pkgs,
  osConfig,
  cfg,
}:
let
  inherit (lib) mkOption types;
  inherit (import ./lib.nix) stages;

  alerts = import ./alert-options.nix { inherit lib; };
  settings = import ./settings-options.nix { inherit lib; };

  inherit (import ./described.nix { inherit lib; })
    address
    described
    duration
    mode
    pattern
    place
    project
    service
    unit
    ;
  stage = types.enum stages;

  # A file whose mode and owner do not matter is its path alone.
  file = described ''absolute path, or a mapping such as { path = "/run/secrets/NAME"; mode = "0640"; }'' (types.coercedTo place (path: { inherit path; }) (
    types.submodule {
      options = {
        path = mkOption {
          type = place;
          description = "Where the file is on the host.";
        };
        mode = mkOption {
          type = types.nullOr mode;
          default = null;
          example = "0640";
          description = "The permissions that it may have at most, in octal.";
        };
        owner = mkOption {
          type = types.nullOr types.str;
          default = null;
          description = "User name or uid that must own it; null: the account itself, or root.";
        };
      };
    }
  ));

  nullable =
    type: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };

  probe = described ''probe, such as { http = "http://127.0.0.1:8080/health"; } or { tcp = "127.0.0.1:5432"; }'' (types.submodule {
    options = {
      http = nullable address ''
        URL of a GET request. It must not contain a password: everybody can read it in the Nix store.
      '';
      tcp = nullable types.str "HOST:PORT that must accept a connection.";
      status = nullable types.ints.positive "The HTTP status that is expected; null: 200.";
      within = nullable duration "Time for the whole answer, at most 10s; null: 2s.";
    };
  });

  option =
    type: default: description:
    mkOption { inherit type default description; };

  shown =
    type: default: example: description:
    mkOption {
      inherit
        type
        default
        example
        description
        ;
    };

  # named is an option whose default has the stack's name.
  named =
    type: default: text: description:
    mkOption {
      inherit type default description;
      defaultText = lib.literalExpression text;
    };

  stack =
    { name, ... }:
    {
      options = {
        stage = mkOption {
          type = stage;
          default = cfg.stage;
          defaultText = lib.literalExpression "config.services.stackpolicy.stage";
          description = "The stage of this stack's rollout, if it differs from services.stackpolicy.stage.";
        };
        unit = named service "${name}.service" "\"\${name}.service\"" "The unit that applies the stack.";
        project = named project name "name" "Its compose project.";
        compose = shown (types.listOf place) [ ] (lib.literalExpression ''[ "''${./web}/compose.yaml" ]'') ''
          Compose files, merged in order; the folder of the first one is the project's folder. A Nix path is copied to the
          store without the other files of its folder: to copy the whole folder, write "''${./web}/compose.yaml".
        '';
        envFiles = shown (types.listOf file) [ ] [ "/run/secrets/web.env" ] "Files of variables for the compose files; a later one wins.";
        secrets =
          shown (types.listOf file) [ ]
            [
              {
                path = "/run/secrets/web-token";
                mode = "0640";
                owner = "root";
              }
            ]
            "Files that must exist, and that nobody else may read.";
        onFailure = option (types.enum [ "keep" "rollback" ]) "keep" ''
          What becomes of an apply that fails: "keep" leaves the containers as they are, "rollback" brings back what was
          verified last. See docs/stackctl.md, "The way back".
        '';
        registries = option types.bool false "Whether preflight checks that the images' registries answer.";
        provider = shown (types.listOf types.str) [ ] [ "podman-compose" ] "The compose command; empty: the one that is installed.";
        apply.timeout = option duration "2m" "How long an apply may take, pulls included.";
        verify = {
          timeout = option duration "60s" "The time within which every service must be up and settled.";
          settle = option (types.nullOr duration) null ''
            How long services must stay up without a restart; null: 5s, at most half of the timeout.
          '';
          healthy = option types.bool true "Whether services with a health check must be healthy.";
        };
        probes = mkOption {
          type = types.listOf probe;
          default = [ ];
          example = [ { http = "http://127.0.0.1:8080/health"; } ];
          description = "What must answer while the stack runs. Each probe has either http or tcp.";
        };
        startTimeout = option (types.nullOr duration) null ''
          TimeoutStartSec= of the unit, which holds for each of its commands alone; null: apply.timeout and verify.timeout
          together, and a minute.
        '';
        stopTimeout = option duration "2m" "TimeoutStopSec= of the unit: longer than the longest stop_grace_period.";
        wantedBy = shown (types.listOf unit) [ "default.target" ] [ "stacks.target" ] "Targets that start the stack.";
        after = shown (types.listOf unit) [ ] [ "srv-data.mount" ] ''
          Units after which the stack starts, if they start too, besides those of sops-nix and agenix that write secrets.
        '';
        autoUpdate = option types.bool false ''
          Whether containers of the stack have the label io.containers.autoupdate. From stage "reconcile" on it enables
          podman's timer, unless the configuration declares that timer elsewhere. It refuses labels with which podman
          would restart another unit.
        '';
        restart = option types.bool false "Whether the audit may restart the stack as a heal, from stage \"verified-apply\" on.";
      };
    };
in
{
  enable = lib.mkEnableOption "the audit of user units that run container stacks";
  package = mkOption {
    type = types.package;
    default = pkgs.stackpolicy or (pkgs.callPackage ./package.nix { });
    defaultText = lib.literalExpression "pkgs.stackpolicy, where the overlay provides it, or else the package of this flake";
    description = "The stackpolicy package to use.";
  };
  path = mkOption {
    type = types.listOf types.package;
    default = [ pkgs.podman-compose ];
    defaultText = lib.literalExpression "[ pkgs.podman-compose ]";
    example = lib.literalExpression "[ pkgs.podman-compose pkgs.docker-compose ]";
    description = ''
      Packages on the PATH of the units, before the host's own folders. Podman is the host's: two versions must not
      share one storage.
    '';
  };
  podman = mkOption {
    type = types.package;
    default = osConfig.virtualisation.podman.package or pkgs.podman;
    defaultText = lib.literalExpression "osConfig.virtualisation.podman.package or pkgs.podman";
    description = "The package that podman-auto-update.timer is linked from.";
  };
  stage = mkOption {
    type = stage;
    default = "observe";
    description = "The stage of the rollout: ${lib.concatStringsSep ", then " stages}. See docs/migrating.md.";
  };
  mode = option (types.nullOr (types.enum [ "observe" "enforce" ])) null "Whether the audit acts; null: as the stage says.";
  units = shown (types.listOf pattern) [ ] [ "homelab-*.service" ] "Patterns of further units that are managed, besides those that Home Manager declares.";
  stamp = shown (types.either types.bool (types.listOf unit)) false [ "web.service" ] ''
    Units declared elsewhere in systemd.user that get a revision stamp; true: all of them. With the stamp the audit
    knows exactly whether the loaded definition is the declared one. The module's own units always have a stamp. A
    unit that gets its first stamp counts as changed once, so the next activation restarts it.
  '';
  policies = shown (types.nullOr types.path) null (lib.literalExpression "./rules") ''
    A policy folder of your own: a complete one, made by `stackpolicy policy copy`, or one without main.rego,
    which is laid over the built-in policies. The build of the generation checks the rules that result, and runs their
    tests. null: the built-in policies.
  '';
  localFacts = mkOption {
    default = { };
    example = lib.literalExpression "{ backup.schema = ./backup.schema.json; }";
    description = ''
      Facts of your own, by name, for rules of your own: the files of ~/.config/stackpolicy/facts.d. See
      docs/writing-a-rule.md. The build of the generation checks the policies against the schemas.
    '';
    type = types.attrsOf (types.submodule {
      options = {
        schema = option (types.nullOr types.path) null "A JSON Schema of the fact: a rule that reads a key which it does not have is refused.";
        value = option types.anything null "The fact itself, if it does not change; null: something else writes the file.";
      };
    });
  };
  watch = option types.bool false ''
    Whether one process that keeps running audits, soon after each change, instead of the timer and the path units.
  '';
  report = option types.bool true "Whether a report is written each day.";
  credentials = shown (types.attrsOf place) { } { ntfy = "/run/secrets/ntfy-token"; } "Files that systemd loads for the unit that sends alerts, by name: their secrets.";
  stacks = mkOption {
    default = { };
    example.web = {
      compose = [ "/home/ada/web/compose.yaml" ];
      probes = [ { http = "http://127.0.0.1:8080/health"; } ];
    };
    description = "The stacks, by the name that stackctl uses.";
    type = types.attrsOf (types.submodule stack);
  };
  inherit (settings) settings holds waivers;
  inherit alerts;
  fleet = import ./fleet-options.nix { inherit lib; };
}
