package stackpolicy.lib

# container_problem names what keeps a container from doing its work: exited,
# restarting, unhealthy or not-running. It is undefined for a container that runs
# and is not unhealthy, and for a one-shot (a migration) that has done its work. A
# health check that has no result yet is no failure.
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

# container_ended is true after the main process has ended. Podman says "stopped"
# until it has cleaned up, and then "exited".
container_ended(state) if state in {"exited", "stopped"}

# one_shot_done is true if the container was a one-shot and succeeded. The record of
# its service says what is a one-shot; without a record, its restart policy.
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

# auto_updated is true if podman auto-update updates a container, by its label
# io.containers.autoupdate. image is another name of registry.
auto_updated(policy) if policy in {"registry", "image", "local"}

# update_fails is true for a label that podman auto-update does not know.
update_fails(policy) if not policy in {"", "disabled", "registry", "image", "local"}

# of_services are the containers of a unit without those that compose run made.
of_services(unit) := [container | some container in unit.containers; not container.one_off]
