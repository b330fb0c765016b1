// The same scripts, played against the kernel's own TCP: what the scripts say is what another stack does, too, but for
// the differences that they state, behind which they go on.
#include "drill/kernel_world.hpp"

#include <chrono>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "drill/runner.hpp"
#include "drill/script_files.hpp"
#include "skip.hpp"

#include "catch.hpp"

using namespace tcpco_test::drill;

namespace {

// `first_try` is what made it try again.
std::string on_kernel(const script_file& file, const script& s, std::string& first_try)
{
    std::string failure;
    for (int tries = 0; tries < 3; ++tries) {  // time is real, and the machine may be busy with something else
        failure = play_in<kernel_world>(file.name, file.text, s);
        if (failure.empty()) {
            break;
        }
        first_try = first_try.empty() ? failure : first_try;
    }
    return failure;
}

// Why no script can be played, or nothing.
std::string missing()
{
    if (const std::string& refusal = tcpco_test::private_network(); !refusal.empty()) {
        return refusal;
    }
    std::string why;
    std::thread{[&why] {
        try {
            kernel_world world;
        } catch (const std::exception& e) {
            why = e.what();
        }
    }}.join();
    return why;
}

}  // namespace

// Nearly at the same time, each on a thread in a namespace of its own.
TEST_CASE("every script holds on the kernel but for the differences that it states", "[drill]")
{
    if (const std::string why = missing(); !why.empty()) {
        tcpco_test::skip("no scripts against the kernel: " + why);
        return;
    }
    const auto scripts = all_scripts();
    std::vector<script> read;  // beforehand: much work, where time counts afterwards
    for (const script_file& s : scripts) {
        read.push_back(read_script(s.text));
    }
    std::vector<std::string> failures(scripts.size()), first_tries(scripts.size());
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < scripts.size(); ++i) {
        threads.emplace_back([&, i] { failures[i] = on_kernel(scripts[i], read[i], first_tries[i]); });
        std::this_thread::sleep_for(std::chrono::milliseconds{50});  // a namespace is work, too
    }
    for (std::thread& t : threads) {
        t.join();
    }
    for (std::size_t i = 0; i < scripts.size(); ++i) {
        if (failures[i].empty() && !first_tries[i].empty()) {
            WARN("not at the first try: " << first_tries[i]);
        }
        if (!failures[i].empty()) {
            UNSCOPED_INFO(failures[i]);
        }
        CHECK(failures[i].empty());
    }
}
