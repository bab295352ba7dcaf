package decide

import (
	"fmt"
	"strings"
	"testing"

	"stackpolicy/policies"
)

// What the built-in invariants depend on. A change here is a change of what is remembered:
// look whether it is meant.
func TestScopesOfTheBuiltIns(t *testing.T) {
	const want = `
activation_current: units, declared.activation declared.activation.ahead declared.activation.service declared.activation.service.generation declared.activation.service.name declared.activation.service.result declared.activation.state declared.generation
applied_is_current: unit,
audit_timer_active: document, manager.audit_timer.active_state manager.audit_timer.load_state manager.audit_timer.sub_state manager.watch.active_state manager.watch.load_state manager.watch.sub_state
auto_update_works: units, auto_update auto_update.active_state auto_update.result podman.auto_update_timer.active_state podman.auto_update_timer.load_state podman.auto_update_timer.sub_state podman.auto_update_timer? podman.present podman.unowned.*
containers_labelled: units, podman.unowned.* storage.podman_version
drift_not_repeating: units, collected_at history.breaker history.heals.* history.others.*
dropins_owned: unit, manager.loaded_at
file_declared: unit, declared.gone.* declared.nameless.* user.name user.open_folders.*
fragment_in_user_dir: unit, manager.loaded_at user.unit_dir
images_current: unit, auto_update.ended_at auto_update.started_at
linger_enabled: document, user.linger user.name
links_resolve: unit,
loaded_is_current: unit, collected_at manager.loaded_at
manager_environment_owned: document, manager_files.files.*
no_blocking_backup: document, declared.activation.service.backup_extension declared.activation.service.backup_overwrite declared.activation.service? declared.backups.*
no_ghost_failure: units, manager.failed_without_file.*
no_orphans: units, declared.activation.ahead manager.running_without_file.*
no_unread_definition: unit, manager.loaded_at manager.unit_path.* manager.unit_path?
policy_current: document, collected_at release.channel release.expires release.newest release.problem.kind release.problem.since release.problem.text release.problem? release.version
probes_answer: unit, collected_at
quadlets_generate: units,
stack_owned: document, podman.unowned.*
stack_running: unit, collected_at collectors.applied.error collectors.applied.ok collectors.applied?
storage_survives_reboot: document, storage.graph_root.free_inodes storage.graph_root.free_mb storage.graph_root.path storage.graph_root.read_only storage.graph_root? storage.run_root.path storage.run_root.type storage.run_root?
unit_not_failed: unit, collected_at collectors.podman.ok
unit_not_flapping: unit, collected_at manager.started_at
user_manager_running: document, collectors.systemd.error collectors.systemd.ok manager.default_target.active_state manager.state
verify_gate_present: unit,
waivers_current: units, collected_at declared manager manager.failed_without_file.*
wanted_is_running: unit, declared.activation.state manager.state
`
	var got strings.Builder
	p, err := Load(t.Context(), policies.FS, Options{Trusted: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, inv := range p.Invariants() {
		s, of := inv.Scope, "document"
		switch {
		case s.Unit && s.Units:
			of = "unit"
		case s.Units:
			of = "units"
		}
		fmt.Fprintf(&got, "%s\n", strings.TrimSpace(fmt.Sprintf("%s: %s, %s", inv.ID, of, strings.Join(s.Head(), " "))))
		if _, all := s.OfUnits(); s.Whole || all && !s.PerUnit() {
			t.Errorf("%s reads the document, or each unit, as a whole", inv.ID)
		}
	}
	if got.String() != strings.TrimPrefix(want, "\n") {
		t.Errorf("got\n%s", got.String())
	}
}
