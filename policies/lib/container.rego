package stackpolicy.lib

# container_problem names what keeps a container from doing its work: exited,
# restarting, unhealthy or not-running. It is undefined for one that runs and
# is not unhealthy, and for a one-shot (a migration) that has done its work.
# A health check that has no verdict yet is no failure.
container_problem(container, _) := "unhealthy" if {
	container.state == "running"
	not container.health in {"", "starting", "healthy"}
}

container_problem(container, _) := "restarting" if container.state == "restarting"

container_problem(container, services) := "exited" if {
	container_ended(container.state)
	not one_shot_done(container, services)
}

container_problem(container, _) := "not-running" if {
	not container_ended(container.state)
	not container.state in {"running", "restarting"}
}

# container_ended is true once the main process is gone; podman says stopped
# until it has cleaned up, and exited from then on.
container_ended(state) if state in {"exited", "stopped"}

# one_shot_done is true for an end that nothing was to follow: by what is
# recorded of the container's service, else by its restart policy.
one_shot_done(container, services) if {
	container_ended(container.state)
	container.exit_code == 0
	one_shot(container, services)
}

one_shot_done(container, services) if {
	container_ended(container.state)
	container.exit_code == 0
	not recorded(container, services)
	container.restart_policy in {"", "no", "on-failure"}
}

# auto_updated is true when podman auto-update looks after a container, by the
# value of its io.containers.autoupdate label.
auto_updated(policy) if not policy in {"", "disabled"}
