package nix

import (
	"regexp"
	"strings"
	"testing"
)

// web declares a stack.
const web = `stacks.web.compose = [ "/home/ada/web/compose.yaml" ]; `

// keeps is a system where Home Manager keeps backups of replaced files, and loses old ones.
const keeps = `{ home-manager = { backupFileExtension = "bak"; overwriteBackup = false; }; }`

// mistake is a wrong configuration: options of services.stackpolicy, other options, and the
// system's. want is part of what is said: what to write instead.
type mistake struct{ options, more, system, want string }

// module returns the configuration at stage verified-apply, unless the mistake has a stage.
func (m mistake) module() module {
	options := m.options
	if !strings.Contains(options, "stage = ") {
		options += ` stage = "verified-apply";`
	}
	return module{text: "{ services.stackpolicy = { enable = true; " + options + " }; " + m.more + " }", system: m.system}
}

// mistakes by what is wrong.
var mistakes = map[string]mistake{
	// Words that do not exist.
	"misspelt option":       {options: web + `stacks.web.verfy.timeout = "1m";`, want: "stacks.web.verfy' does not exist"},
	"misspelt option above": {options: web + `stak.web = { };`, want: "services.stackpolicy.stak' does not exist"},
	"wrong stage":           {options: web + `stage = "heal";`, want: `one of "observe", "reconcile", "heal-artifacts", "verified-apply"`},
	"wrong mode":            {options: web + `mode = "act";`, want: `one of "observe", "enforce"`},
	"onFailure":             {options: web + `stacks.web.onFailure = "undo";`, want: `one of "keep", "rollback"`},
	"enrolment":             {options: web + `fleet.token = "x";`, want: "services.stackpolicy.fleet.token' does not exist"},
	"severity":              {options: web + `alerts.journal.severity = "critical";`, want: `one of "page", "ticket", "none"`},
	"effect":                {options: web + `settings.decide = [ { invariant = "a"; units = [ "a.service" ]; effect = "heal"; } ];`, want: `value "block"`},
	"method":                {options: web + `alerts.webhooks.phone = { url = "https://a.example"; method = "GET"; };`, want: `one of "POST", "PUT"`},
	"a fact's schema":       {options: web + `localFacts.backup.scheme = ./testdata/backup.schema.json;`, want: "localFacts.backup.scheme' does not exist"},

	// Values of another kind.
	"timeout in words":       {options: web + `stacks.web.verify.timeout = "1 minute";`, want: `duration, such as "90s", "4m" or "1h30m"`},
	"timeout as a number":    {options: web + `stacks.web.apply.timeout = 90;`, want: `duration, such as "90s", "4m" or "1h30m"`},
	"grace":                  {options: web + `settings.grace.loaded_is_current = "half an hour";`, want: `duration, such as "500ms", "30m" or "6h"`},
	"unit without suffix":    {options: web + `stacks.web.unit = "web";`, want: `name of a service with its suffix, such as "web.service"`},
	"unit with blank":        {options: web + `stacks.web.unit = "my web.service";`, want: `name of a service with its suffix`},
	"unit is a timer":        {options: web + `stacks.web.unit = "web.timer";`, want: `name of a service with its suffix`},
	"project in capitals":    {options: `stacks.Web.compose = [ "/home/ada/web/compose.yaml" ];`, want: "name of a compose project: small letters, digits, _ and -"},
	"compose is a string":    {options: `stacks.web.compose = "/home/ada/web/compose.yaml";`, want: "list of absolute path"},
	"compose is relative":    {options: `stacks.web.compose = [ "web/compose.yaml" ];`, want: "or a Nix path without quotes, such as ./compose.yaml"},
	"secret is relative":     {options: web + `stacks.web.secrets = [ "token" ];`, want: `absolute path, or a mapping such as { path = "/run/secrets/NAME"; mode = "0640"; }`},
	"mode of a secret":       {options: web + `stacks.web.secrets = [ { path = "/run/secrets/a"; mode = "rw"; } ];`, want: `permissions in octal, such as "0640"`},
	"wantedBy":               {options: web + `stacks.web.wantedBy = [ "default" ];`, want: `name of a unit with its suffix, such as "web.service"`},
	"after is a string":      {options: web + `stacks.web.after = "data.mount";`, want: "list of name of a unit"},
	"probe is a string":      {options: web + `stacks.web.probes = [ "http://127.0.0.1" ];`, want: `probe, such as { http = "http://127.0.0.1:8080/health"; }`},
	"probe without scheme":   {options: web + `stacks.web.probes = [ { http = "127.0.0.1:8080"; } ];`, want: `URL, such as "https://example.org/path"`},
	"probe of nothing":       {options: web + `stacks.web.probes = [ { status = 200; } ];`, want: `Write: { http = "http://127.0.0.1:8080/health"; }`},
	"hold's end":             {options: web + `holds = [ { unit = "a.service"; reason = "b"; owner = "c"; until = "2d"; } ];`, want: `time with a zone, such as "2026-12-24T18:00:00Z"`},
	"waiver's end":           {options: web + `waivers = [ { invariant = "a"; units = [ "a.service" ]; reason = "b"; owner = "c"; until = "2026-12-24"; } ];`, want: "time with a zone"},
	"waiver's owner":         {options: web + `waivers = [ { invariant = "a"; units = [ "a.service" ]; reason = "b"; until = "2026-12-24T18:00:00Z"; } ];`, want: "owner'"},
	"waiver's units":         {options: web + `waivers = [ { invariant = "a"; units = [ "web" ]; reason = "b"; owner = "c"; until = "2026-12-24T18:00:00Z"; } ];`, want: `such as "lab-*.service"`},
	"restart without suffix": {options: web + `settings.restart = [ "web" ];`, want: `name or pattern of units, such as "web.service" or "lab-*.service"`},
	"units without suffix":   {options: web + `units = [ "homelab" ];`, want: `name or pattern of units`},
	"a secret itself":        {options: web + `alerts.webhooks.phone = { url = "https://a.example"; token = "hunter2"; };`, want: `where it is, such as "/run/secrets/NAME" or { credential = "NAME"; }, and never the secret itself`},
	"alertmanager's address": {options: web + `alerts.alertmanager = "127.0.0.1:9093";`, want: `sink, such as { url = "https://example.org"; severity = "page"; }, or its URL alone`},
	"textfile":               {options: web + `alerts.textfile = "/var/lib/stackpolicy.txt";`, want: "absolute path of a file NAME.prom"},
	"credential is relative": {options: web + `credentials.ntfy = "ntfy";`, want: `absolute path, such as "/run/secrets/NAME"`},
	"policies as text":       {options: web + `policies = "/home/ada/rules";`, want: "Write a Nix path, without quotes"},
	"channel in capitals":    {options: web + `fleet.channel = "Stable";`, want: `name of a channel of releases: small letters, digits and -, such as "stable"`},
	"label is a number":      {options: web + `fleet.labels.rack = 3;`, want: `label of letters, digits, dots, _ and -, such as "canary"`},
	"label with blank":       {options: web + `fleet.labels.role = "a canary";`, want: `label of letters, digits, dots, _ and -, such as "canary"`},
	"registry is a URL":      {options: web + `fleet.channel = "stable"; fleet.registry = "https://registry.example.org/rules";`, want: `without a scheme, such as "registry.example.org/rules/home"`},
	"registry has no path":   {options: web + `fleet.channel = "stable"; fleet.registry = "registry.example.org";`, want: `without a scheme, such as "registry.example.org/rules/home"`},

	// Values that do not fit each other or the host.
	"a stack's name":       {options: `stacks."my web" = { project = "web"; unit = "web.service"; compose = [ "/home/ada/web/compose.yaml" ]; };`, want: "Write one of letters, digits"},
	"a fact's name":        {options: web + `localFacts.my-backup.value = 1;`, want: "localFacts: want names of small letters"},
	"one unit twice":       {options: web + `stacks.shop.unit = "web.service"; stacks.shop.stage = "observe";`, want: "each stack has a unit and a project of its own"},
	"one project twice":    {options: web + `stacks.shop.project = "web"; stacks.shop.stage = "observe";`, want: "each stack has a unit and a project of its own"},
	"backslash":            {options: web + `stacks.web.unit = "a\\x2db.service";`, want: `a - needs no \x2d.`},
	"the audit's name":     {options: web + `stacks.web.unit = "stackpolicy-web.service";`, want: "reserved for the audit's units"},
	"no compose file":      {options: `stacks.web = { };`, want: `Write: services.stackpolicy.stacks.web.compose = [ "/absolute/path/compose.yaml" ];`},
	"secret in store":      {options: web + `stacks.web.secrets = [ "${builtins.toFile "token" "x"}" ];`, want: `Write its path on the host, as a string in quotes: "/run/secrets/NAME"`},
	"secret as path":       {options: web + `stacks.web.secrets = [ ./testdata/home.nix ];`, want: `Write its path on the host, as a string in quotes: "/run/secrets/NAME"`},
	"credential's name":    {options: web + `credentials."a:b" = "/run/secrets/a";`, want: "Write one of letters, digits"},
	"credential not there": {options: web + `alerts.webhooks.phone = { url = "https://a.example"; token.credential = "ntfy"; };`, want: `Write: services.stackpolicy.credentials.ntfy = "/run/secrets/NAME";`},
	"foreign label":        {options: `stacks.web = { compose = [ ./testdata/labelled.yaml ]; autoUpdate = true; };`, want: "Remove the label from the compose file: stackctl sets it."},
	"start timeout":        {options: web + `stacks.web.startTimeout = "10m";`, want: `Leave it out, or write at most "270s".`},
	"short start timeout":  {options: web + `stacks.web.startTimeout = "1m";`, want: `Leave it out, or write at least "180s".`},
	"long apply":           {options: web + `stacks.web.apply.timeout = "10m";`, want: "(stackctl prefetch fetches images before a switch)."},
	"activation waits":     {options: web, more: "systemd.user.servicesStartTimeoutMs = 60000;", want: "Leave it out: services.stackpolicy sets 300000."},
	"sd-switch's own":      {options: web, more: "systemd.user.servicesStartTimeoutMs = 0;", want: "an activation waits only 120 seconds"},
	"start services":       {options: web, more: `systemd.user.startServices = "suggest";`, want: `Write: systemd.user.startServices = "sd-switch";`},
	"no units":             {options: web, more: "systemd.user.enable = false;", want: "Write: systemd.user.enable = true;"},
	"declared twice":       {options: web, more: `systemd.user.services.web.Service.ExecStart = [ "/bin/true" ];`, want: "Remove systemd.user.services.\"web\".Service.ExecStart there"},
	"declared as a string": {options: web, more: `systemd.user.services.web.Service.ExecStart = "/bin/true";`, want: "Remove systemd.user.services.\"web\".Service.ExecStart there"},
	"declared by force":    {options: web, more: `systemd.user.services.web.Service.ExecStart = { _type = "override"; priority = 50; content = "/bin/true"; };`, want: "Remove systemd.user.services.\"web\".Service.ExecStart there"},
	"name of a label":      {options: web + `fleet.labels."my role" = "canary";`, want: `as in: services.stackpolicy.fleet.labels.role = "canary";`},
	"registry alone":       {options: web + `fleet.registry = "registry.example.org/rules/home";`, want: `Write: services.stackpolicy.fleet.channel = "stable";`},
	"misspelt stamp":       {options: web + `stamp = [ "wbe.service" ];`, want: "is not a unit that systemd.user declares"},
	"two settings":         {options: web + `policies = ../policies; settings.budget.unit = 5;`, want: "Keep one: remove settings.yaml from the folder"},
	"nothing to put up":    {options: `stacks.web.stage = "heal-artifacts";`, want: "Home Manager declares no web.service"},
	"enforce at observe":   {options: web + `stage = "observe"; mode = "enforce";`, want: `Write: stage = "reconcile";`},
	"backup is read":       {options: web, system: `{ home-manager = { backupFileExtension = "conf"; }; }`, want: `Write: home-manager.backupFileExtension = "hm-backup";`},
	"backup is lost":       {options: web, system: keeps, want: "home-manager.overwriteBackup = true;"},
	"backup by a command":  {options: web, system: `{ home-manager = { backupFileExtension = null; backupCommand = "trash"; }; }`, want: "home-manager.backupCommand runs on each file"},
}

// inOurWords is what Nix itself says of an option: it names it, and what is wanted.
var inOurWords = regexp.MustCompile("services\\.stackpolicy\\.[^']*' (does not exist|is not of type|is used but not defined|was accessed but has no value defined)")

// TestMistakes: each mistake stops the evaluation or warns, with a message that says what
// to write instead.
func TestMistakes(t *testing.T) {
	eachRelease(t, func(t *testing.T, evaluate func(map[string]module) map[string]home) {
		modules := map[string]module{}
		for name, m := range mistakes {
			modules[name] = m.module()
		}
		for name, h := range evaluate(modules) {
			said := strings.Join(append(append(h.Refused, h.Warnings...), h.complaint), "\n")
			t.Logf("%s: %s", name, said)
			if want := mistakes[name].want; !strings.Contains(said, want) {
				t.Errorf("%s: it said %q; want %q in it", name, said, want)
			}
			if h.complaint != "" && !inOurWords.MatchString(h.complaint) {
				t.Errorf("%s: Nix's own words alone: %s", name, h.complaint)
			}
			if strings.Contains(said, "[^") {
				t.Errorf("%s: a regular expression is shown: %s", name, said)
			}
		}
	})
}
