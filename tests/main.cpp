// The main() of every test executable, for Catch2 2.13 and 3. Its exit codes:
//
//     0   at least one test ran, none failed
//     1   a test failed, or the command line was wrong (Catch2's own code is the number of failed assertions: 77 of
//         them would look like a skip)
//     2   no test ran
//     77  every test that ran was skipped (tests/skip.hpp)
#define CATCH_CONFIG_RUNNER
#include "skip.hpp"

namespace {

struct totals {
    bool run_started = false;  // not for --list-tests and --help
    int cases = 0;
    int failed = 0;
    int skipped = 0;
};
totals seen;

#if defined(SKIP)
using listener_base = Catch::EventListenerBase;
#else
using listener_base = Catch::TestEventListenerBase;
#endif

struct counter : listener_base {
    using listener_base::listener_base;

    void testRunStarting(const Catch::TestRunInfo& info) override
    {
        listener_base::testRunStarting(info);
        seen.run_started = true;
    }

    void testCaseStarting(const Catch::TestCaseInfo& info) override
    {
        listener_base::testCaseStarting(info);
        tcpco_test::detail::current_test_skipped = false;
    }

    void testCaseEnded(const Catch::TestCaseStats& stats) override
    {
        const bool failed = stats.totals.testCases.failed > 0;
        ++seen.cases;
        seen.failed += failed ? 1 : 0;
        seen.skipped += !failed && tcpco_test::detail::current_test_skipped ? 1 : 0;
        listener_base::testCaseEnded(stats);
    }
};

}  // namespace

CATCH_REGISTER_LISTENER(counter)

int main(int argc, char** argv)
{
    const int result = Catch::Session().run(argc, argv);
    if (!seen.run_started) {
        return result;
    }
    if (seen.cases == 0) {
        return 2;
    }
    if (seen.failed > 0) {
        return 1;
    }
    if (seen.skipped == seen.cases) {
        std::fprintf(stderr, "SKIPPED: all %d tests\n", seen.cases);
        return tcpco_test::skipped_exit_code;
    }
    return result == 0 ? 0 : 1;
}
