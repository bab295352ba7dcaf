package stackpolicy.lib

# container_problem names what keeps a container from doing its work: exited,
# restarting, unhealthy or not-running. It is undefined for one that runs and
# is not unhealthy, and for a one-shot (a migration) that has done its work.
# A health check that has no verdict yet is no failure.
container_problem("running", health, _, _) := "unhealthy" if not health in {"", "starting", "healthy"}

container_problem("restarting", _, _, _) := "restarting"

container_problem(state, _, exit_code, restart_policy) := "exited" if {
	container_ended(state)
	not one_shot_done(exit_code, restart_policy)
}

container_problem(state, _, _, _) := "not-running" if {
	not container_ended(state)
	not state in {"running", "restarting"}
}

# container_ended is true once the main process is gone; podman says stopped
# until it has cleaned up, and exited from then on.
container_ended(state) if state in {"exited", "stopped"}

# one_shot_done is true for an end that nothing was to follow.
one_shot_done(0, restart_policy) if restart_policy in {"", "no", "on-failure"}

# auto_updated is true when podman auto-update looks after a container, by the
# value of its io.containers.autoupdate label.
auto_updated(policy) if not policy in {"", "disabled"}
