package daily

// Table is a list of things that have the same parts; the first part names each.
type Table struct {
	Caption string
	Head    []string
	Rows    [][]string // each as long as Head
	More    int        // how many are left out
	None    string     // what is written if there is no row; "" writes nothing
}

// with returns the table with as many rows as there is room for.
func (t Table) with(rows [][]string) Table {
	cut := some(rows, maxRows)
	t.Rows, t.More = cut.List, cut.More
	return t
}

// count returns how many rows there are, with those that are left out.
func (t Table) count() int { return len(t.Rows) + t.More }
