// Arguments of the form name=value, and what all programs of bench/run say. Each program is one side of a measurement:
// a server prints "ready" and serves until it is killed; the client measures and prints one line of JSON.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string>

namespace tcpco_bench {

class arguments {
public:
    arguments(int argc, char** argv)
    {
        for (int i = 1; i < argc; ++i) {
            const std::string text = argv[i];
            const std::size_t sign = text.find('=');
            if (sign == std::string::npos) {
                throw std::runtime_error{"arguments are name=value, not '" + text + "'"};
            }
            values_[text.substr(0, sign)] = text.substr(sign + 1);
        }
    }

    // Each may be asked for once; what nobody asked for is an error (see done()).
    std::string text(const std::string& name, const std::string& otherwise = {})
    {
        const auto found = values_.find(name);
        if (found == values_.end()) {
            return otherwise;
        }
        std::string value = found->second;
        values_.erase(found);
        return value;
    }
    double real(const std::string& name, double otherwise)
    {
        const std::string value = text(name);
        return value.empty() ? otherwise : std::stod(value);
    }
    unsigned number(const std::string& name, unsigned otherwise)
    {
        const std::string value = text(name);
        return value.empty() ? otherwise : static_cast<unsigned>(std::stoul(value));
    }
    bool flag(const std::string& name, bool otherwise = false) { return number(name, otherwise ? 1 : 0) != 0; }

    void done() const
    {
        if (!values_.empty()) {
            throw std::runtime_error{"there is no argument '" + values_.begin()->first + "'"};
        }
    }

private:
    std::map<std::string, std::string> values_;
};

// The services, each on the port that RFC 862 to 864 gave it.
inline constexpr std::uint16_t echo_port = 7;
inline constexpr std::uint16_t sink_port = 9;
inline constexpr std::uint16_t source_port = 19;

inline void say_ready()
{
    std::puts("ready");
    std::fflush(stdout);
}

}  // namespace tcpco_bench
