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
	])
	have < service.containers
}
