#include "options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <map>

namespace echo_example {

namespace {

// "2%" or "0.02"
std::string percentage(std::string& text)
{
    try {
        std::size_t used = 0;
        double value = std::stod(text, &used);
        const std::string unit = text.substr(used);
        value = unit == "%" ? value / 100 : value;
        if ((unit.empty() || unit == "%") && value >= 0 && value < 1) {
            text = std::to_string(value);
            return {};
        }
    } catch (const std::exception&) {
    }
    return "'" + text + "' is no share below 100 %: write 2% or 0.02";
}

}  // namespace

options parse(int argc, char** argv)
{
    options chosen;
    std::string link = "tap";
    double delay_ms = 0;
    CLI::App app{"The coroutine echo server on tcpco at 198.18.0.2 port 7, and clients that talk to it."};
    app.add_option("--link", link, "tap: between the kernel and tcpco; memory: between two stacks, without privileges")
        ->check(CLI::IsMember({"tap", "memory"}));
    app.add_flag("--keep", chosen.keep, "leave the server up, and print how to reach it (with --link tap)");
    app.add_option("--size", chosen.size, "octets of the large transfer, such as 1MiB (default 64MiB)")
        ->transform(CLI::AsSizeValue(false));
    app.add_option("--clients", chosen.clients, "how many talk at the same time (default 200)")
        ->check(CLI::Range(1u, 10'000u));
    app.add_option("--capture", chosen.capture, "where the pcapng goes (default echo.pcapng)");
    app.add_flag_callback(
        "--no-capture", [&chosen] { chosen.capture.clear(); }, "no pcapng");
    app.add_option("--loss", chosen.impairment.loss, "share of frames lost in each direction, such as 1%")
        ->transform(CLI::Validator{percentage, "SHARE"});
    app.add_option("--reorder", chosen.impairment.reorder, "share of frames that are overtaken, such as 1%")
        ->transform(CLI::Validator{percentage, "SHARE"});
    app.add_option("--delay", delay_ms, "one-way delay, such as 5ms")
        ->transform(CLI::AsNumberWithUnit(std::map<std::string, double>{{"us", 0.001}, {"ms", 1}, {"s", 1000}},
                                          CLI::AsNumberWithUnit::CASE_SENSITIVE, "TIME"));
    app.add_option("--seed", chosen.seed, "of the impairments (default 1)");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        std::exit(app.exit(e) == 0 ? 0 : 2);
    }
    if (delay_ms < 0 || delay_ms > 10'000 || chosen.size == 0 || chosen.size > (std::size_t{1} << 40)) {
        std::fprintf(stderr, "--delay lies between 0 and 10s, --size between 1 octet and 1TiB\n");
        std::exit(2);
    }
    chosen.in_memory = link == "memory";
    chosen.impairment.delay = tcpco::duration{static_cast<std::int64_t>(delay_ms * 1e6)};
    return chosen;
}

}  // namespace echo_example
