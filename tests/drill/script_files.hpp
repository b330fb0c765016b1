// The scripts that stand in tests/drill/scripts.
#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace tcpco_test::drill {

struct script_file {
    std::string name;
    std::string text;
};

inline std::vector<script_file> all_scripts()
{
    std::vector<script_file> found;
    for (const auto& entry : std::filesystem::directory_iterator{TCPCO_DRILL_SCRIPTS}) {
        if (entry.path().extension() == ".pkt") {
            std::ifstream file{entry.path()};
            found.push_back({entry.path().filename().string(), {std::istreambuf_iterator<char>{file}, {}}});
        }
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return found;
}

}  // namespace tcpco_test::drill
