package stackpolicy.lib

# one_shot is true for a container of a recorded service that runs to its end.
one_shot(container, services) if {
	some service in services
	service.name == container.service
	service.one_shot
}

# recorded is true for a container whose service is recorded.
recorded(container, services) if {
	some service in services
	service.name == container.service
}

# too_few is the number of containers of a service that should have more. It is
# undefined for a service that has enough.
too_few(service, containers) := have if {
	have := count([container.id |
		some container in containers
		container.service == service.name
		not container.infra
		not container.one_off
	])
	have < service.containers
}

# cannot_apply says why stackctl would refuse to apply a unit's stack, so that a restart
# would only stop the unit. It is undefined if nothing is known to be in the way.
cannot_apply(unit) := sprintf("%s %s %s", [words, file.path, file.reason]) if {
	file := unit.applied.unusable[0]
	words := object.get({"compose": "compose file", "env": "env file", "named": "included file"}, file.role, file.role)
}
