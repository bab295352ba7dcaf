package facts

import "time"

// Properties are what the manager knows about a unit and no built-in rule reads: limits,
// use, dependencies, its last exit, and a timer's times.
type Properties struct {
	MemoryMax       *int64   `json:"memory_max,omitempty" jsonschema:"in bytes, as MemoryMax= says; absent when infinite, and for other units than services"`
	MemoryCurrent   *int64   `json:"memory_current,omitempty" jsonschema:"bytes that its processes use, rounded down to two digits; absent when not known, as for a unit that does not run"`
	TasksMax        *int64   `json:"tasks_max,omitempty" jsonschema:"as TasksMax= says; absent when infinite, and for other units than services"`
	CPUQuotaPercent *float64 `json:"cpu_quota_percent,omitempty" jsonschema:"as CPUQuota= says: 100 is one whole CPU; absent without a quota"`
	Restart         string   `json:"restart" jsonschema:"as Restart= says: no, always, on-failure, …; empty for other units than services"`
	LastExit        *Exit    `json:"last_exit,omitempty" jsonschema:"how its main process last ended; absent when it never did since the manager started, and when the manager has forgotten it, as it does with an inactive unit to which nothing refers"`
	Timer           *Timer   `json:"timer,omitempty" jsonschema:"absent for other units than timers"`
	Requires        []string `json:"requires" jsonschema:"these lists are as loaded, also what systemd adds itself"`
	BindsTo         []string `json:"binds_to"`
	Wants           []string `json:"wants"`
	PartOf          []string `json:"part_of"`
	After           []string `json:"after"`
	Before          []string `json:"before"`
}

// Exit is the end of a process.
type Exit struct {
	Code   string    `json:"code" jsonschema:"exited, killed or dumped"`
	Status int       `json:"status" jsonschema:"exit status, or the number of the signal"`
	At     time.Time `json:"at"`
}

// Timer has the times of a timer.
type Timer struct {
	Last *time.Time `json:"last,omitempty" jsonschema:"when it last elapsed; absent when it never did"`
	Next *time.Time `json:"next,omitempty" jsonschema:"when it elapses next; absent when it will not"`
}
