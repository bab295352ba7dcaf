package finding

// renamed are the former ids of invariants. Waivers, holds and settings may still
// have them.
func renamed() map[string]string {
	return map[string]string{"auto_update_timer_active": "auto_update_works"}
}

// CurrentID returns the id that an invariant has now: another one for a former id,
// and id itself for all else.
func CurrentID(id string) string {
	if now, ok := renamed()[id]; ok {
		return now
	}
	return id
}
