// The command line of the echo example.
#pragma once

#include <cstddef>
#include <string>

#include "tcpco/core/time.hpp"
#include "tcpco/device/impairment_model.hpp"

namespace echo_example {

struct options {
    bool in_memory = false;
    bool keep = false;
    std::size_t size = 64u << 20;  // octets of the large transfer
    unsigned clients = 200;        // at the same time
    std::string capture = "echo.pcapng";
    std::uint64_t seed = 1;  // of the impairments
    tcpco::impairment_config impairment{};

    bool impaired() const noexcept
    {
        return impairment.loss > 0 || impairment.reorder > 0 || impairment.delay > tcpco::duration{};
    }
};

// Exits the program after --help (0) and on a bad command line (2).
options parse(int argc, char** argv);

}  // namespace echo_example
