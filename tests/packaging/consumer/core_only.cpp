// A program that needs nothing but the portable headers.
#include <cstdio>
#include <string>

#include "tcpco/core/address.hpp"
#include "tcpco/version.hpp"

int main()
{
    const auto address = tcpco::ip_address::parse("198.18.0.2");
    if (!address || to_string(*address) != "198.18.0.2") {
        return 1;
    }
    std::printf("tcpco %d: %s\n", TCPCO_VERSION, to_string(*address).c_str());
    return 0;
}
