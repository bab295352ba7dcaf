# stackpolicy, stackctl and stackfleet, with manual pages and completions. revision is the commit that
# they are built from, if it is known.
{
  lib,
  stdenv,
  buildGoModule,
  installShellFiles,
  testers,
  revision ? null,
}:
buildGoModule (
  finalAttrs:
  let
    canRun = stdenv.buildPlatform.canExecute stdenv.hostPlatform;
  in
  {
    pname = "stackpolicy";
    version = "0.1.0" + lib.optionalString (revision != null) "+${revision}";

    src = lib.fileset.toSource {
      root = ../.;
      fileset = import ./source.nix { inherit lib; };
    };

    # Updated by: go test ./nix -run TestVendorHash -update
    vendorHash = "sha256-1nRuUpFUTCnuaHeRS5AGOSfQzivDyo9iIc8IiwHDh9c=";

    subPackages = [
      "cmd/stackctl"
      "cmd/stackdrill"
      "cmd/stackfleet"
      "cmd/stackpolicy"
    ];
    env.CGO_ENABLED = 0;
    ldflags = [
      "-s"
      "-w"
      "-X stackpolicy/cmd/internal/cli.version=${finalAttrs.version}"
    ];

    # The tests need root, a user manager and podman. installCheckPhase checks the
    # package itself.
    doCheck = false;

    nativeBuildInputs = [ installShellFiles ];

    # The programs can only run if the build machine is of their platform.
    postInstall = ''
      install -D -t "$out/libexec/stackpolicy" "$out/bin/stackdrill"
      rm "$out/bin/stackdrill"
    ''
    + lib.optionalString canRun ''
      for program in stackctl stackfleet stackpolicy; do
        "$out/bin/$program" man .
        installManPage "$program.1"
        installShellCompletion --cmd "$program" \
          --bash <("$out/bin/$program" completion bash) \
          --fish <("$out/bin/$program" completion fish) \
          --zsh <("$out/bin/$program" completion zsh)
      done
      install -Dm444 -t "$out/lib/systemd/catalog" units/stackpolicy.catalog
    '';

    doInstallCheck = canRun;
    installCheckPhase = ''
      runHook preInstallCheck
      export HOME="$TMPDIR"
      "$out/bin/stackpolicy" version
      "$out/bin/stackpolicy" policy check
      "$out/bin/stackpolicy" policy test
      "$out/bin/stackctl" --help >/dev/null
      "$out/bin/stackfleet" --help >/dev/null
      "$out/bin/stackpolicy" drill --list >/dev/null
      runHook postInstallCheck
    '';

    passthru.tests.version = testers.testVersion {
      package = finalAttrs.finalPackage;
      command = "HOME=$TMPDIR stackpolicy --version";
    };

    meta = {
      description = "Audit of systemd user units that run container stacks";
      license = lib.licenses.asl20;
      maintainers = [ ];
      mainProgram = "stackpolicy";
      platforms = lib.platforms.linux;
    };
  }
)
