// Every step of the reactors' ladder, for tests that must hold on each. Not a test itself.
#pragma once

#include <cstring>
#include <fstream>
#include <filesystem>
#include <memory>
#include <string>

#include "tcpco/reactor/system_reactor.hpp"

namespace tcpco_test {

// As TCPCO_URING would say it.
inline constexpr const char* all_rungs[] = {"", "no-defer", "off"};

inline std::unique_ptr<tcpco::linux_reactor> reactor_on(const std::string& rung)
{
    return tcpco::make_linux_reactor({.uring = tcpco::uring_settings::parse(rung), .say = nullptr});
}

inline bool is_poll(const tcpco::linux_reactor& reactor)
{
    return reactor.why().starts_with("poll");
}

// Worker threads of io_uring in this process: the kernel names them iou-wrk-*.
inline int uring_workers()
{
    int count = 0;
    for (const auto& task : std::filesystem::directory_iterator{"/proc/self/task"}) {
        std::ifstream comm{task.path() / "comm"};
        std::string name;
        std::getline(comm, name);
        count += name.starts_with("iou-wrk") ? 1 : 0;
    }
    return count;
}

}  // namespace tcpco_test
