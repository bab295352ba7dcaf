package stackpolicy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"testing"
)

// openers are the files that may open files directly. All others use
// internal/regularfile, which does not wait for a FIFO and bounds what it reads.
var openers = []string{
	"internal/regularfile/regularfile.go",
	"internal/compose/stop.go",  // reads /proc, which the kernel writes
	"internal/confine/child.go", // the same
	"internal/unitfile/read.go", // reads folders
	"stack/losses.go",           // reads whether a folder is empty
	"internal/sqlite/file.go",   // makes a new file, with O_EXCL
}

// TestOneFunctionOpensFiles: files that somebody else may have made are only opened by
// internal/regularfile.
func TestOneFunctionOpensFiles(t *testing.T) {
	opens := map[string]bool{}
	for file := range imports(t) {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if selector, ok := n.(*ast.SelectorExpr); ok && opensFile(selector) {
				opens[file] = true
				if !slices.Contains(openers, file) {
					t.Errorf("%s calls os.%s; use internal/regularfile", file, selector.Sel.Name)
				}
			}
			return true
		})
	}
	for _, file := range openers {
		if !opens[file] {
			t.Errorf("%s opens no file; remove it from the list", file)
		}
	}
}

func opensFile(selector *ast.SelectorExpr) bool {
	pkg, ok := selector.X.(*ast.Ident)
	return ok && pkg.Name == "os" && slices.Contains([]string{"Open", "OpenFile", "OpenInRoot", "ReadFile"}, selector.Sel.Name)
}
