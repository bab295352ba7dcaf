package decide

import (
	"github.com/open-policy-agent/opa/v1/ast"

	"stackpolicy/decide/lint"
	"stackpolicy/decide/policy"
)

// compileTrusted compiles rules without checking them for mistakes.
func compileTrusted(folder *policy.Folder) (*ast.Compiler, error) {
	compiler := lint.NewCompiler().WithSkipStages(trustedSkips()...)
	if compiler.Compile(folder.Rules); compiler.Failed() {
		folder.Refusal.AddRego(compiler.Errors, "")
	}
	return compiler, folder.Refusal.Err()
}

// trustedSkips are compiler stages that only find mistakes.
func trustedSkips() []ast.StageID {
	return []ast.StageID{
		ast.StageCheckTypes,
		ast.StageCheckUnsafeBuiltins,
		ast.StageCheckDeprecatedBuiltins,
		ast.StageCheckUnusedImports,
		ast.StageCheckDuplicateImports,
		ast.StageCheckKeywordOverrides,
		ast.StageCheckVoidCalls,
		ast.StageCheckRuleConflicts,
		ast.StageCheckUndefinedFuncs,
		ast.StageCheckSafetyRuleHeads,
		ast.StageCheckRecursion,
		ast.StageBuildRequiredCapabilities,
	}
}
